/**
 * The ConfigMap of MetalLB up to 0.12 on an API server, with the rights that its manifests give:
 * what it says is in force within a second, what is malformed or gone changes nothing.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Program } from '../../lab/process.ts';
import { CONFIGMAP } from './generation.ts';
import { SYSTEM, servicePath } from './installation.ts';
import { Swap } from './swap.ts';

jest.setTimeout(60_000);

/** A second, and what a machine with much to do takes to ask. */
const SOON_MS = 3000;
const PATH = `/api/v1/namespaces/${SYSTEM}/configmaps`;

let swap: Swap;
let controller: Program;

beforeAll(async () => {
  swap = await Swap.up('configmap', CONFIGMAP);
  controller = await swap.startController();
});

afterAll(async () => {
  await swap.close();
});

function config(...pools: readonly (readonly [string, string, string])[]): object {
  const lines = pools.flatMap(([name, protocol, addresses]) => [
    `- name: ${name}`,
    `  protocol: ${protocol}`,
    `  addresses: [${addresses}]`,
  ]);
  return { data: { config: ['address-pools:', ...lines].join('\n') } };
}

const LAN = ['loadbalanced', 'layer2', '192.168.100.240/29'] as const;
const MORE = ['kube_service_pool', 'layer2', '192.168.100.248/29'] as const;

async function write(body: object): Promise<void> {
  await swap.kube.api.call('PATCH', `${PATH}/config`, body);
}

async function create(name: string, annotations = {}): Promise<void> {
  const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
  const metadata = { name, annotations };
  await swap.kube.api.call('POST', servicePath('').replace(/\/$/, ''), { metadata, spec });
}

const address = async (name: string): Promise<string | undefined> => {
  const { status } = await swap.get(servicePath(name));
  return (status as { loadBalancer: { ingress?: readonly { ip: string }[] } }).loadBalancer
    .ingress?.[0]?.ip;
};
const has = (name: string, ip: string, within = SOON_MS) =>
  swap.until(`${name} to have ${ip}`, async () => (await address(name)) === ip, within);

test('the first address, from the pool that it names', async () => {
  await create('a');
  expect(await has('a', '192.168.100.240', 20_000)).toBe(true);
});

test('a pool that comes is in use within a second, under its old name', async () => {
  await create('b', { 'metallb.universe.tf/address-pool': 'kube_service_pool' });
  await write(config(LAN, MORE));
  expect(await has('b', '192.168.100.248')).toBe(true);
});

test('what is malformed is told with its line, and what was before stays in force', async () => {
  await write(config(LAN, ['kube_service_pool', 'layer3', '192.168.100.248/29']));
  const isTold = () =>
    Promise.resolve(/line 6 of config: address-pools\[1\].protocol/.test(controller.tail(20)));
  expect(await swap.until('the problem', isTold, SOON_MS)).toBe(true);
  await create('c', { 'metallb.universe.tf/address-pool': 'kube_service_pool' });
  expect(await has('c', '192.168.100.249')).toBe(true);
});

test('once it is gone, too; and what comes back counts', async () => {
  await swap.kube.api.call('DELETE', `${PATH}/config`);
  const isTold = () => Promise.resolve(controller.tail(20).includes('it was deleted'));
  expect(await swap.until('the problem', isTold, SOON_MS)).toBe(true);
  await create('d', { 'metallb.io/address-pool': 'loadbalanced' });
  expect(await has('d', '192.168.100.241')).toBe(true);
  const moved = config(['loadbalanced', 'layer2', '192.168.100.242/31'], MORE);
  await swap.kube.api.call('POST', PATH, { metadata: { name: 'config' }, ...moved });
  expect(await has('d', '192.168.100.242')).toBe(true);
  // General pools are tried by name.
  expect(await has('a', '192.168.100.250')).toBe(true);
  expect(await address('b')).toBe('192.168.100.248');
});
