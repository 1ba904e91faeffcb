/**
 * The watch on a real kernel: links and addresses that are there, that come, change and go; and a
 * burst that overflows the socket, after which the table is right all the same. And the kernel's
 * neighbours, as one reading.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { childEnv } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { until } from '../../lab/until.ts';
import { formatIp } from '../../net/ip.ts';
import type { LinkEvent } from '../../speaker/io/netlink.ts';
import { MOST } from '../../speaker/io/neighbours.ts';
import type { Link } from '../../speaker/links.ts';

let lab: Lab;
let node: Namespace;
let child: ChildProcess;
let synced = false;
const links = new Map<number, Link>();

beforeAll(() => {
  lab = new Lab('netlink');
  node = lab.namespace('node');
  node.ip('link add eth0 type veth peer name far0', 'addr add 192.0.2.1/24 dev eth0');
  const script = join(import.meta.dirname, 'watcher.ts');
  const [command, ...args] = node.wrap([process.execPath, script]);
  child = spawn(command ?? '', args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    env: childEnv(),
  });
  child.on('message', (message) => {
    const event = message as LinkEvent;
    if (event.kind === 'synced') synced = true;
    if (event.kind === 'put') links.set(event.link.index, event.link);
    if (event.kind === 'delete') links.delete(event.index);
  });
});
afterAll(() => {
  child.kill('SIGKILL');
  lab.close();
});

function link(name: string): Link | undefined {
  return [...links.values()].find((one) => one.name === name);
}

async function see<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const lastSeen = (): string => [...links.values()].map((one) => one.name).join(' ');
  return until(look, { withinMs: 5000, what, lastSeen });
}

test('tells what is there, then says that it is synced', async () => {
  await see('the first dump', () => synced);
  expect(link('lo')).toMatchObject({ loopback: true, up: true });
  expect(link('eth0')).toMatchObject({ up: false, broadcast: true, master: undefined });
  expect(link('eth0')?.addresses.map(formatIp)).toEqual(['192.0.2.1']);
});

test('tells carrier, MAC, master and addresses', async () => {
  node.ip('link set far0 up', 'link set eth0 up');
  await see('eth0 up', () => link('eth0')?.up);
  node.ip('link set far0 down');
  await see('eth0 without carrier', () => link('eth0')?.up === false);
  node.ip('link set eth0 address 02:64:00:00:00:42');
  await see('the MAC', () => link('eth0')?.mac === '02:64:00:00:00:42');
  node.ip('link add br0 type bridge', 'link set eth0 master br0');
  await see('the master', () => link('eth0')?.master === link('br0')?.index);
  node.ip('link set eth0 nomaster');
  await see('eth0 out of the bridge, and still there', () => {
    const eth0 = link('eth0');
    return eth0 !== undefined && eth0.master === undefined;
  });
  node.ip('addr add 2001:db8::1/64 dev br0 nodad', 'addr del 192.0.2.1/24 dev eth0');
  const has = (ip: string): boolean | undefined =>
    link('br0')?.addresses.some((each) => formatIp(each) === ip);
  expect(await see('an IPv6 address', () => has('2001:db8::1'))).toBe(true);
  await see('the address gone', () => link('eth0')?.addresses.length === 0);
});

test('is right again after messages were lost', async () => {
  // The watcher cannot read while it is stopped; its buffer holds about a megabyte.
  child.kill('SIGSTOP');
  const rounds = Array.from({ length: 1500 }, (_, n) => n);
  node.ip(...rounds.map((n) => `link set br0 address 02:64:00:00:${hex(n >> 8)}:${hex(n)}`));
  node.ip('link del far0', 'link add last0 type bridge');
  child.kill('SIGCONT');
  await see('the last link', () => link('last0') !== undefined);
  expect(link('eth0')).toBeUndefined();
  expect(link('br0')?.mac).toBe('02:64:00:00:05:db');
}, 20_000);

test('reads the neighbours that are known, of both families', () => {
  node.ip(
    'link add eth9 type veth peer name far9',
    'link set eth9 up',
    'neigh add 192.0.2.7 lladdr 02:64:00:00:00:07 dev eth9 nud stale',
    'neigh add 192.0.2.8 dev eth9 nud failed',
    'neigh add 2001:db8::9 lladdr 02:64:00:00:00:09 dev eth9 nud permanent',
  );
  const index = node.execSync(['cat', '/sys/class/net/eth9/ifindex']).stdout.trim();
  const seen = neighbours();
  expect(seen.neighbours.toSorted()).toEqual([
    `192.0.2.7 02:64:00:00:00:07 ${index}`,
    `2001:db8::9 02:64:00:00:00:09 ${index}`,
  ]);
  const many = Array.from({ length: 1000 }, (_, n) => n);
  const mac = '02:64:00:00:00:07';
  node.ip(...many.map((n) => `neigh add 2001:db8::1:${n} lladdr ${mac} dev eth9 nud permanent`));
  const all = neighbours();
  expect(all.neighbours).toHaveLength(1002);
  // Seven as a rule.
  expect(all.took).toBeLessThan(50);
});

test('of very many neighbours it reads only some', () => {
  const mac = '02:64:00:00:00:07';
  const many = Array.from({ length: MOST + 10 }, (_, n) => (n + 0x2000).toString(16));
  node.ip(...many.map((n) => `neigh replace 2001:db8::2:${n} lladdr ${mac} dev lo nud permanent`));
  expect(neighbours().neighbours).toHaveLength(MOST);
});

function neighbours(): { readonly took: number; readonly neighbours: readonly string[] } {
  const script = join(import.meta.dirname, 'resolved.ts');
  const { stdout, stderr } = node.execSync([process.execPath, script]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as ReturnType<typeof neighbours>;
}

function hex(byte: number): string {
  return (byte & 0xff).toString(16).padStart(2, '0');
}
