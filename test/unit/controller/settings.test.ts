/** What of pools and namespaces sets decisions going, and what does not. */
import { beforeEach, expect, test } from '@jest/globals';
import { Controller, WATCHED, WATCHED_IF_THERE } from '../../../controller/controller.ts';
import { IP_ADDRESS_POOL, NAMESPACE } from '../../../kube/kube.ts';
import { Source } from './source.ts';

let source: Source;

beforeEach(() => {
  source = new Source();
  source.pool('lan', ['192.0.2.240-192.0.2.249']);
  source.synced();
  source.settle();
  source.heard = [];
});

test('a namespace gets no more addresses than it may, and more when it may', () => {
  const quota = (text: string): void => {
    const annotations = { 'arpeggio.dev/address-quota': text };
    const object = { ...NAMESPACE, metadata: { name: 'd', annotations } };
    source.tell({ type: 'watched', resource: NAMESPACE, event: { type: 'put', object } });
    source.settle();
  };
  quota('1');
  for (const name of ['a', 'b']) source.service(name);
  source.settle();
  expect([source.ips('a'), source.reason('b')]).toEqual(['192.0.2.240', 'QuotaExhausted']);
  quota('many');
  expect(source.heard).toContainEqual(expect.stringMatching(/^warn QuotaProblem .*"many" is not/));
  quota('2');
  expect(source.ips('b')).toBe('192.0.2.241');
});

test('what is written into the status of a pool is no news; its labels are', () => {
  source.service('a');
  source.settle();
  const [pool] = source.pools.values();
  const metadata = { name: 'lan', ...pool?.metadata };
  const written = { ...IP_ADDRESS_POOL, ...pool, metadata, status: { assignedIPv4: 1 } };
  source.put(IP_ADDRESS_POOL, written);
  source.deliver();
  expect(source.machine.deadline()).toBe(undefined);
  source.put(IP_ADDRESS_POOL, { ...written, metadata: { ...metadata, labels: { a: 'b' } } });
  for (const input of source.inbox.splice(0)) source.machine.handle(input, source.now);
  expect(source.machine.deadline()).toBe(source.now);
});

test('what somebody objects to is refused, and the one before stays in force', () => {
  const object = (...messages: string[]): void => {
    const [resource, key, path] = [IP_ADDRESS_POOL, 'metallb-system/lan', 'spec.addresses[0]'];
    const problems = messages.map((message) => ({ resource, key, path, message }));
    source.tell({ type: 'objected', problems });
    source.settle();
  };
  source.service('a');
  source.pool('lan', ['192.0.2.250/32']);
  object('contains a node');
  expect([source.ips('a'), source.machine.report().stale]).toEqual(['192.0.2.240', true]);
  object();
  expect([source.ips('a'), source.machine.report().stale]).toEqual(['192.0.2.250', false]);
});

test('where somebody may object, nothing is decided before he had a look', () => {
  const machine = new Controller(() => 'T', { awaitsObjections: true });
  for (const resource of [...WATCHED, ...WATCHED_IF_THERE]) {
    machine.handle({ type: 'watched', resource, event: { type: 'synced' } }, 0);
  }
  expect([machine.report().synced, machine.deadline()]).toEqual([false, undefined]);
  machine.handle({ type: 'objected', problems: [] }, 0);
  expect([machine.report().synced, machine.deadline()]).toEqual([true, 0]);
});
