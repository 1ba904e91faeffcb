/**
 * A speaker on a node with two links, as the wire sees it: an advertisement that names an interface
 * is heard and answered there only, and a new MAC or a link that comes back is announced at once.
 * One client at the far end of each link.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { whoHas } from '../../lab/probe.ts';
import { Program } from '../../lab/process.ts';
import type { Host } from '../../lab/segment.ts';
import { writeYaml } from '../../kube/yaml.ts';
import { Sniffer } from './sniffer.ts';

jest.setTimeout(60_000);

const ROOT = join(import.meta.dirname, '../..');
const VIP4 = '192.168.100.240';
const VIP6 = 'fd00:100::240';
/** Advertised on eth1 only. */
const SIDE4 = '192.168.100.250';
const MACS = ['02:64:00:00:00:64', '02:64:00:00:01:64'] as const;

/** Milliseconds, with room for a busy machine; without an announcement it would be minutes. */
const AT_ONCE = 1000;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-linkchange-'));
let lab: Lab;
let node: Namespace;
let speaker: Program;
let clients: Host[];
let sniffers: Sniffer[];

function objects(): object[] {
  const system = { namespace: 'metallb-system' };
  const pool = (name: string, addresses: string[]): object => ({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name, ...system },
    spec: { addresses },
  });
  const advertisement = (name: string, spec: object): object => ({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'L2Advertisement',
    metadata: { name, ...system },
    spec,
  });
  const service = (name: string, ips: string[]): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  });
  const slice = (name: string): object => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [{ addresses: ['192.168.100.100'], nodeName: 'node1' }],
  });
  return [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node1' },
      status: { addresses: [{ type: 'InternalIP', address: '192.168.100.100' }] },
    },
    pool('everywhere', ['192.168.100.240/32', 'fd00:100::240/128']),
    pool('side', ['192.168.100.250/32']),
    advertisement('everywhere', { ipAddressPools: ['everywhere'] }),
    advertisement('side', { ipAddressPools: ['side'], interfaces: ['eth1'] }),
    service('web', [VIP4, VIP6]),
    service('side', [SIDE4]),
    slice('web'),
    slice('side'),
  ];
}

/** The far end of a link of the node, which is `eth0` there. */
function plugIn(n: number): Host {
  const namespace = lab.namespace(`client${n}`);
  const ip4 = `192.168.100.${n + 1}`;
  const ip6 = `fd00:100::${n + 1}`;
  const mac = `02:64:00:00:0${n}:01`;
  const peer = `peer name eth0 address ${mac} netns ${namespace.name}`;
  node.ip(`link add eth${n} address ${MACS[n]} type veth ${peer}`, `link set eth${n} up`);
  namespace.ip(
    `addr add ${ip4}/24 dev eth0`,
    `addr add ${ip6}/64 dev eth0 nodad`,
    'link set eth0 up',
  );
  return { name: `client${n}`, namespace, mac, ip4, ip6 };
}

beforeAll(async () => {
  lab = new Lab('linkchange');
  node = lab.namespace('node1');
  clients = [plugIn(0), plugIn(1)];
  sniffers = await Promise.all(clients.map((client) => Sniffer.start(lab, client, directory)));
  const manifests = join(directory, 'manifests');
  mkdirSync(manifests);
  writeFileSync(join(manifests, 'all.yaml'), objects().map(writeYaml).join('---\n'));
  const secret = join(directory, 'secret');
  writeFileSync(secret, 'a secret that is long enough', { mode: 0o600 });
  const flags = ['--manifests', manifests, '--node', 'node1', '--secret-file', secret];
  const argv = [process.execPath, join(ROOT, 'speaker/main.ts'), ...flags, '--host', '127.0.0.1'];
  speaker = Program.start(lab, { name: 'speaker', argv, namespace: node, directory });
  await announced(1, MACS[1], SIDE4, 0);
  await announced(0, MACS[0], VIP4, 0);
});

afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/**
 * Waits until an address is announced from the beginning: the first round is one frame, a repeat
 * 200 ms later two; of IPv6, which has one form only, no two others are that close. Returns when
 * the first of them was sent.
 */
function announced(link: number, mac: string, ip: string, since: number): Promise<number> {
  const look = (): number | undefined => {
    const claims = (sniffers[link]?.claims(mac, ip) ?? []).filter(({ at }) => at >= since);
    const begin = claims.find(({ at, text }, i) => {
      const [next, third] = [claims[i + 1], claims[i + 2]];
      if (next === undefined || next.at - at > 800 || text.includes('Reply')) return false;
      return ip.includes(':') || third?.text.includes('Reply') === true;
    });
    return begin?.at;
  };
  return speaker.until(look, 20_000, `${ip} is announced on eth${link}`);
}

test('an advertisement that names an interface is answered and announced there only', async () => {
  const [first, second] = clients;
  if (first === undefined || second === undefined) throw new Error('no clients');
  expect(await whoHas(second, SIDE4)).toBe(MACS[1]);
  expect(await whoHas(first, SIDE4, 300)).toBeUndefined();
  expect(await whoHas(first, VIP4)).toBe(MACS[0]);
  expect(await whoHas(second, VIP4)).toBe(MACS[1]);
  expect(sniffers[0]?.claims(MACS[0], SIDE4)).toEqual([]);
});

test('a new MAC is announced at once, on its link only, and answered with', async () => {
  const mac = '02:64:00:00:00:99';
  const since = Date.now();
  node.ip(`link set eth0 address ${mac}`);
  const changed = Date.now();
  for (const vip of [VIP4, VIP6]) {
    expect((await announced(0, mac, vip, since)) - changed).toBeLessThan(AT_ONCE);
  }
  const settled = Date.now();
  const [client] = clients;
  expect(client === undefined ? '' : await whoHas(client, VIP4)).toBe(mac);
  expect(sniffers[0]?.claims(MACS[0], VIP4).filter(({ at }) => at > settled)).toEqual([]);
  expect(sniffers[1]?.claims(mac, VIP4)).toEqual([]);
});

test('a link that comes back is announced at once', async () => {
  const since = Date.now();
  node.ip('link set eth1 down', 'link set eth1 up');
  const back = Date.now();
  for (const vip of [VIP4, SIDE4, VIP6]) {
    expect((await announced(1, MACS[1], vip, since)) - back).toBeLessThan(AT_ONCE);
  }
  expect(sniffers[0]?.claims(MACS[0], SIDE4)).toEqual([]);
});
