/**
 * A program that does nothing but forward: on SIGHUP it reads a list of wishes and hands them to
 * the product's nftables door, one right after the other. `forwarder.ts FILE`
 */
import { readFileSync } from 'node:fs';
import { openLog } from '../../lib/io/log.ts';
import { parseIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Forward } from '../../speaker/forward.ts';
import { Nftables } from '../../speaker/io/nftables.ts';

/** An address, and the endpoints behind its port 80. */
type Wish = readonly { readonly vip: string; readonly endpoints: readonly string[] }[];

const log = openLog('forwarder', 'debug');
const opened = Nftables.open(log);
if (!opened.ok) {
  console.error(opened.error);
  process.exit(1);
}
const nftables = opened.value;

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function forwards(wish: Wish): Forward[] {
  return wish.map(({ vip, endpoints }) => ({
    service: 'default/web',
    vip: ip(vip),
    port: 80,
    protocol: 'TCP',
    endpoints: endpoints.map((text) => ({ ip: ip(text), port: 8080 })),
    keepSource: false,
  }));
}

process.on('SIGHUP', () => {
  const wishes = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as readonly Wish[];
  for (const wish of wishes) nftables.want(forwards(wish));
  log('info', 'wished', 'the wishes were handed over');
});
process.on('SIGTERM', () => {
  const removed = nftables.remove();
  process.exit(removed.ok ? 0 : 1);
});
// Keeps the process alive until a signal.
setInterval(() => {}, 2 ** 30);
log('info', 'open', 'waiting for SIGHUP');
