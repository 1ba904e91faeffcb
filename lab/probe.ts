/**
 * What a host on the wire can see without any help from the product: HTTP answers, and which MAC
 * the kernel learnt when it asked for an address. Asking is left to the host's own ARP and NDP
 * (`ip neigh … use`), so the probe cannot be wrong about the protocol in the same way as we are.
 */
import type { Host } from './segment.ts';
import { until } from './until.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One GET over a new connection; undefined when nothing answered in time. */
export async function httpGet(
  from: Host['namespace'],
  url: string,
  timeoutMs = 1000,
): Promise<HttpAnswer | undefined> {
  const seconds = (timeoutMs / 1000).toFixed(3);
  const argv = ['curl', '-sg', '--max-time', seconds, '--write-out', '\n%{http_code}', url];
  const done = await from.exec(argv, { timeoutMs: timeoutMs + 2000 });
  if (done.code !== 0) return undefined;
  const split = done.stdout.lastIndexOf('\n');
  return { status: Number(done.stdout.slice(split + 1)), body: done.stdout.slice(0, split) };
}

/** `http://192.0.2.1/`, `http://[2001:db8::1]/`. */
export function urlOf(ip: string, port = 80): string {
  const host = ip.includes(':') ? `[${ip}]` : ip;
  return port === 80 ? `http://${host}/` : `http://${host}:${port}/`;
}

/**
 * Lets the host forget `ip`, ask the wire (ARP or Neighbor Solicitation) and waits for the answer:
 * the MAC, or undefined when nobody answered within the time.
 */
export async function whoHas(host: Host, ip: string, withinMs = 1000): Promise<string | undefined> {
  host.namespace.ip(`neigh flush to ${ip} dev eth0`, `neigh replace ${ip} dev eth0 use`);
  try {
    return await until(() => neighbour(host, ip), { withinMs, what: `an answer for ${ip}` });
  } catch {
    return undefined;
  }
}

/** The MAC in the host's neighbour table, without asking anybody. */
export function neighbour(host: Host, ip: string): string | undefined {
  const table = host.namespace.ip(`neigh show to ${ip} dev eth0`);
  return / lladdr ([0-9a-f:]{17}) (?!FAILED)/.exec(table)?.[1];
}
