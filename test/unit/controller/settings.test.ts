/** What of pools and namespaces sets decisions going, and what does not. */
import { beforeEach, expect, test } from '@jest/globals';
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
