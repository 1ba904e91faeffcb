/**
 * Two controllers at a real API server, with the rights of the manifests: who leads, who takes over
 * and how soon, and that no address is ever twice, whatever is done to them and to the API server.
 * Watched from outside, by a client of its own.
 */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { LabFailure } from '../../lab/failure.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { httpGet } from '../../lab/probe.ts';
import { Program } from '../../lab/process.ts';
import { ready } from '../../lab/ready.ts';
import { until } from '../../lab/until.ts';
import { ROOT, SYSTEM } from './installation.ts';
import type { KubernetesObject } from './installation.ts';

jest.setTimeout(90_000);

const PORTS = { one: 7472, two: 7473 } as const;
type Name = keyof typeof PORTS;
const NAMES: readonly Name[] = ['one', 'two'];
const CLAIMS = `/apis/arpeggio.dev/v1alpha1/namespaces/${SYSTEM}/addressclaims`;
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM}/leases/arpeggio-controller`;
const SERVICES = '/api/v1/namespaces/default/services';
const POOLS = `/apis/metallb.io/v1beta1/namespaces/${SYSTEM}/ipaddresspools`;
/** What is promised. */
const TAKEOVER_MS = 5000;

let kube: KubeLab;
const programs = new Map<Name, Program>();

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'replicas', extent: 'api' });
  await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/arpeggio.yaml')]);
  await kube.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
  const metadata = { name: 'pool', namespace: SYSTEM };
  const spec = { addresses: ['192.168.100.0/24'] };
  await create(POOLS, { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec });
  for (const name of NAMES) await start(name);
});

afterEach(async () => {
  const all = await doubles();
  if (all.length > 0) throw new Error(`on two Services: ${all.join()}`);
});

afterAll(() => kube.close());

async function start(name: Name): Promise<void> {
  const config = await kube.serviceAccountConfig(SYSTEM, 'controller');
  const { control } = kube.segment;
  const flags = ['--host=127.0.0.1', `--port=${PORTS[name]}`, `--kubeconfig=${config}`];
  const argv = [process.execPath, join(ROOT, 'controller/main.ts'), ...flags];
  const options = { name: `controller-${name}`, argv, namespace: control, directory: kube.logs };
  const started = Program.start(kube.lab, options);
  programs.set(name, started);
  await ready(started, control, { port: PORTS[name] });
}

function program(name: Name): Program {
  const found = programs.get(name);
  if (found === undefined) throw new LabFailure(`${name} was not started`);
  return found;
}

async function create(path: string, object: object): Promise<void> {
  await kube.api.call('POST', path, object);
}

async function list(path: string): Promise<readonly KubernetesObject[]> {
  return ((await kube.api.call('GET', path)) as { items: readonly KubernetesObject[] }).items;
}

function service(name: string, annotations: Record<string, string> = {}): object {
  const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, annotations }, spec };
}

function addressesOf({ status }: KubernetesObject): readonly string[] {
  const balancer = status?.['loadBalancer'] as { ingress?: readonly { ip: string }[] } | undefined;
  return balancer?.ingress?.map(({ ip }) => ip) ?? [];
}

/** Addresses on more than one Service, or without a claim that names it. */
async function doubles(): Promise<readonly string[]> {
  const services = await list(SERVICES);
  const all = services.flatMap(addressesOf);
  return all.filter((ip, index) => all.indexOf(ip) < index);
}

/** Waits until every Service of that prefix has one, and says when that was. */
async function addressed(prefix: string, count: number, withinMs: number): Promise<number> {
  const look = async (): Promise<boolean> => {
    const mine = (await list(SERVICES)).filter(({ metadata }) => metadata.name.startsWith(prefix));
    return mine.filter((each) => addressesOf(each).length === 1).length === count;
  };
  const lastSeen = (): string => NAMES.map((name) => programs.get(name)?.tail(4)).join('\n');
  const what = `${count} Services ${prefix}* to have an address`;
  await until(look, { withinMs, everyMs: 50, what, lastSeen });
  return performance.now();
}

async function holder(): Promise<string> {
  const { status, text } = await kube.api.ask('GET', LEASE);
  if (status !== 200) return '';
  const { spec } = JSON.parse(text) as { spec: { holderIdentity?: string } };
  return spec.holderIdentity ?? '';
}

/** By its own metrics. */
async function leads(name: Name): Promise<boolean> {
  const url = `http://127.0.0.1:${PORTS[name]}/metrics`;
  const body = (await httpGet(kube.segment.control, url))?.body ?? '';
  return /^arpeggio_controller_leads(?:\{\})? 1$/m.test(body);
}

async function leader(): Promise<Name> {
  return until(
    async () => {
      const [one, two] = await Promise.all([leads('one'), leads('two')]);
      return one !== two && (one ? 'one' : 'two');
    },
    { withinMs: 20_000, everyMs: 50, what: 'one of the two to lead' },
  );
}

function other(name: Name): Name {
  return name === 'one' ? 'two' : 'one';
}

describe('two replicas', () => {
  test('are ready, and one of them leads', async () => {
    const first = await leader();
    expect(await holder()).not.toBe('');
    await create(SERVICES, service('first'));
    await addressed('first', 1, 5000);
    expect(await leads(other(first))).toBe(false);
  });

  test('take an address by making a claim, named after it', async () => {
    const [claim] = await list(CLAIMS);
    const [ip] = addressesOf(await find('first'));
    expect(claim?.metadata.name).toBe(ip);
    expect(holdersOf(claim)).toMatchObject([{ name: 'first' }]);
  });

  test('the leader is killed: the other one gives addresses within five seconds', async () => {
    const killed = await leader();
    const since = performance.now();
    await program(killed).kill();
    await create(SERVICES, service('killed'));
    const at = await addressed('killed', 1, 10_000);
    process.stderr.write(`takeover after kill -9: ${Math.round(at - since)} ms\n`);
    expect(at - since).toBeLessThan(TAKEOVER_MS);
    await start(killed);
  });

  test('the leader is ended: the other one need not wait', async () => {
    const ended = await leader();
    const since = performance.now();
    await program(ended).stop();
    await create(SERVICES, service('ended'));
    const at = await addressed('ended', 1, 10_000);
    process.stderr.write(`takeover after SIGTERM: ${Math.round(at - since)} ms\n`);
    expect(at - since).toBeLessThan(2500);
    await start(ended);
  });

  test('the leader is stopped amid writes, and goes on later: nobody notices', async () => {
    const stopped = await leader();
    const names = Array.from({ length: 30 }, (_, index) => `stopped${index}`);
    const created = Promise.all(names.map((name) => create(SERVICES, service(name))));
    program(stopped).signal('SIGSTOP');
    await created;
    await addressed('stopped', names.length, 15_000);
    program(stopped).signal('SIGCONT');
    await create(SERVICES, service('continued'));
    await addressed('continued', 1, 10_000);
    expect(await leader()).toBe(other(stopped));
  });

  test('the API server is killed amid writes: all is done when it is back', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `away${index}`);
    await Promise.all(names.map((name) => create(SERVICES, service(name))));
    await kube.kill('kube-apiserver');
    await kube.start('kube-apiserver');
    await addressed('away', names.length, 45_000);
    await expect(leader()).resolves.toMatch(/one|two/);
  });
});

describe('reservations', () => {
  test('a Service made again has its address again, and nobody else meanwhile', async () => {
    await create(SERVICES, service('kept', { 'arpeggio.dev/reserve': 'true' }));
    await addressed('kept', 1, 10_000);
    const [ip] = addressesOf(await find('kept'));
    await until(async () => (await claimOf(ip))?.spec?.['reservedFor'] !== undefined, {
      withinMs: 5000,
      what: 'the reservation',
    });
    await kube.api.call('DELETE', `${SERVICES}/kept`);
    await until(async () => holdersOf(await claimOf(ip)).length === 0, {
      withinMs: 5000,
      what: 'the claim to have no holder',
    });
    await create(SERVICES, service('another'));
    await addressed('another', 1, 10_000);
    expect(addressesOf(await find('another'))).not.toEqual([ip]);
    await create(SERVICES, service('kept'));
    await addressed('kept', 1, 10_000);
    expect(addressesOf(await find('kept'))).toEqual([ip]);
  });

  test('a claim made by hand keeps its address from everybody', async () => {
    const address = '192.168.100.200';
    const metadata = { name: address, namespace: SYSTEM };
    const kind = { apiVersion: 'arpeggio.dev/v1alpha1', kind: 'AddressClaim' };
    await create(CLAIMS, { ...kind, metadata, spec: { address } });
    await create(SERVICES, service('asking', { 'metallb.io/loadBalancerIPs': address }));
    const said = await until(async () => conditionOf(await find('asking')), {
      withinMs: 5000,
      what: 'a reason',
    });
    expect(said).toMatchObject({ status: 'False', reason: 'AddressReserved' });
    await kube.api.call('DELETE', `${CLAIMS}/${address}`);
    await addressed('asking', 1, 5000);
  });
});

async function find(name: string): Promise<KubernetesObject> {
  return (await kube.api.call('GET', `${SERVICES}/${name}`)) as KubernetesObject;
}

async function claimOf(ip = ''): Promise<KubernetesObject | undefined> {
  return (await list(CLAIMS)).find(({ metadata }) => metadata.name === ip);
}

function holdersOf(claim: KubernetesObject | undefined): readonly unknown[] {
  return (claim?.spec?.['holders'] ?? []) as readonly unknown[];
}

function conditionOf({ status }: KubernetesObject): object | undefined {
  const all = (status?.['conditions'] ?? []) as readonly { readonly type: string }[];
  return all.find(({ type }) => type === 'arpeggio.dev/Allocated');
}
