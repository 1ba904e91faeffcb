/**
 * A configuration that the API server took and the programs refuse: what is in force, and where a
 * person learns of it, and of what is mended.
 */
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import type { Resource } from '../../kube/kube.ts';
import { httpGet } from '../../lab/probe.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { ADVERTISEMENT, Desk, POOL, STATE } from './desk.ts';
import type { Told } from './desk.ts';
import { Installation, ROOT, SYSTEM } from './installation.ts';

jest.setTimeout(60_000);

const PEER: Resource = { apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer' };

let cluster: Installation;
let desk: Desk;

beforeAll(async () => {
  cluster = await Installation.up('refused');
  desk = new Desk(cluster);
  await cluster.startController();
  await Promise.all([cluster.startSpeakers(cluster.nodes.slice(0, 1)), admitAll()]);
}, 90_000);

afterAll(() => cluster?.close());
afterEach(() => desk.clear());

async function outcome(name: string, wanted: string): Promise<void> {
  expect(`${name} ${await desk.shown(name, wanted)}`).toBe(`${name} ${wanted}`);
}

/** Past admission: as on a server that cannot judge, or that did not know yet. */
async function admitAll(): Promise<void> {
  const policies = ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'];
  await cluster.kube.kubectl(['delete', policies.join(), '--all']);
  await cluster.kube.kubectl(['apply', '-k', join(ROOT, 'deploy/crds-legacy')]);
  const tried = { ...POOL, metadata: { name: 'tried' }, spec: { addresses: ['nonsense'] } };
  const path = `/apis/metallb.io/v1beta1/namespaces/${SYSTEM}/ipaddresspools?dryRun=All`;
  await cluster.until('nothing to be refused at admission', async () => {
    const { status } = await cluster.kube.api.ask('POST', path, tried);
    return status === 201;
  });
}

const state = (name = 'controller'): Promise<Readonly<Record<string, unknown>>> =>
  desk.status(STATE, `${SYSTEM}/${name}`);
const result = (wanted: string, name = 'controller'): Promise<unknown> =>
  cluster.until(`${name} to say ${wanted}`, async () => {
    return (await state(name))['result'] === wanted;
  });
const eventsOf = async (resource: Resource, name: string): Promise<readonly string[]> => {
  const gist = ({ type, reason, count }: Told): string => `${type} ${reason} ${count}`;
  return (await desk.events(resource, `${SYSTEM}/${name}`)).map(gist);
};

test('is told within a second, by all means; the one before stays in force', async () => {
  await desk.pool('a', ['192.0.2.0/29']);
  await desk.service('one');
  await outcome('one', '192.0.2.0');
  const from = monotonic();
  await desk.pool('overlapping', ['192.0.2.4-192.0.2.20']);
  await Promise.all([
    result('Invalid'),
    result('Invalid', 'speaker-node1'),
    cluster.until('an event', async () => (await eventsOf(POOL, 'overlapping'))[0]),
  ]);
  expect(monotonic() - from).toBeLessThan(1000);
  expect((await state())['errorSummary']).toMatch(/overlaps with already defined CIDR/);
  expect((await state())['conditions']).toContainEqual(
    expect.objectContaining({ type: 'poolReconcilerValid', reason: 'ConfigurationError' }),
  );
  await desk.service('two');
  await outcome('two', '192.0.2.1');
  const { control } = cluster.kube.segment;
  const text = (await httpGet(control, 'http://127.0.0.1:7472/metrics'))?.body ?? '';
  expect(text).toContain('metallb_k8s_client_config_stale_bool 1\n');
  expect(cluster.program('controller').log()).toContain('overlaps with already defined CIDR');
  await desk.repool('overlapping', { addresses: ['192.0.2.8/29'] });
  await Promise.all([result('Valid'), result('Valid', 'speaker-node1')]);
  await desk.service('three', { annotations: { 'metallb.io/address-pool': 'overlapping' } });
  await outcome('three', '192.0.2.8');
  expect(await eventsOf(POOL, 'overlapping')).toEqual([
    'Warning ConfigurationError 1',
    'Normal Reconciled 1',
  ]);
});

test('a restart tells nothing again, and what was mended meanwhile it takes', async () => {
  await desk.pool('a', ['192.0.2.0/29']);
  await desk.pool('overlapping', ['192.0.2.4/32']);
  await result('Invalid');
  const told = await cluster.until('an event', async () => {
    const events = await eventsOf(POOL, 'overlapping');
    return events.length > 0 && events;
  });
  const before = await state();
  await cluster.forget('controller').stop();
  await cluster.startController();
  await cluster.until('it to have looked', async () => {
    const log = cluster.program('controller').log();
    return log.includes('overlaps with already defined CIDR');
  });
  await desk.pool('other', ['198.51.100.0/29']);
  await desk.repool('other', { addresses: ['192.0.2.5/32'] });
  await cluster.until('the next event', async () => (await eventsOf(POOL, 'other'))[0]);
  expect(await eventsOf(POOL, 'overlapping')).toEqual(told);
  expect((await state())['result']).toBe(before['result']);
  await Promise.all(['overlapping', 'other'].map((name) => desk.removePool(name)));
  await result('Valid');
});

test('an advertisement: speakers refuse it, the controller tells its owner, once', async () => {
  await desk.pool('a', ['192.0.2.0/29']);
  const spec = { ipAddressPools: ['a', 'a'] };
  await desk.create(ADVERTISEMENT, SYSTEM, 'twice', { spec });
  await result('Invalid', 'speaker-node1');
  await cluster.until('an event', async () => (await eventsOf(ADVERTISEMENT, 'twice'))[0]);
  expect((await state())['result']).toBe('Valid');
  await desk.patch(ADVERTISEMENT, `${SYSTEM}/twice`, { spec: { ipAddressPools: ['a'] } });
  await result('Valid', 'speaker-node1');
  await cluster.until('another event', async () => {
    return (await eventsOf(ADVERTISEMENT, 'twice')).length === 2;
  });
});

test('ConfigurationState comes back when it is deleted, with its labels', async () => {
  for (const name of ['controller', 'speaker-node1']) {
    await desk.remove(STATE, `${SYSTEM}/${name}`);
    await result('Valid', name);
  }
  const { metadata } = (await desk.find(STATE, `${SYSTEM}/speaker-node1`)) ?? {};
  expect(metadata?.labels).toEqual({
    'metallb.io/component-type': 'speaker',
    'metallb.io/node-name': 'node1',
  });
});

test('BGP is said to be not announced, once, and nothing is worse for it', async () => {
  const spec = { myASN: 64_512, peerASN: 64_513, peerAddress: '192.0.2.200' };
  await desk.create(PEER, SYSTEM, 'router', { spec });
  await cluster.until('an event', async () => (await eventsOf(PEER, 'router'))[0]);
  await desk.pool('a', ['192.0.2.0/29']);
  await desk.service('one');
  await outcome('one', '192.0.2.0');
  expect(await eventsOf(PEER, 'router')).toEqual(['Warning NotAnnounced 1']);
  const { result: said, conditions } = await state();
  expect(said).toBe('Valid');
  expect(conditions).toContainEqual(
    expect.objectContaining({ type: 'arpeggio.dev/BGPAnnounced', status: 'False' }),
  );
  await desk.remove(PEER, `${SYSTEM}/router`);
});
