/** A Service that cannot be read, and the address that its status shows. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { SERVICE } from '../../../kube/kube.ts';
import type { Service } from '../../../kube/objects.ts';
import { Source } from './source.ts';

let source: Source;

describe('a Service whose manifest cannot be read at the start', () => {
  const held = { loadBalancer: { ingress: [{ ip: '192.0.2.240' }] } };
  const remnant = (status: unknown) =>
    source.tell({
      type: 'watched',
      resource: SERVICE,
      event: { type: 'remnant', key: 'd/broken', status },
    });

  beforeEach(() => {
    source = new Source();
    source.pool('lan', ['192.0.2.240-192.0.2.241']);
    remnant(held);
  });

  test('keeps its address, and whoever asks for it is told why', () => {
    source.service('a', { loadBalancerIP: '192.0.2.240' });
    source.service('b');
    source.service('c');
    source.synced();
    source.rest();
    expect([source.ips('b'), source.reason('c')]).toEqual(['192.0.2.241', 'NoAddressLeft']);
    expect(source.services.get('d/a')?.status?.conditions?.[0]).toMatchObject({
      reason: 'AddressInUse',
      message:
        '192.0.2.240 is held by d/broken, whose manifest cannot be read; ' +
        'ask for another address, or for none',
    });
  });

  test('does not take it from who shares it', () => {
    source.service('a', {}, {});
    const shared = source.services.get('d/a');
    source.put(SERVICE, { ...shared, status: held } as Service);
    source.synced();
    source.rest();
    expect(source.ips('a')).toBe('192.0.2.240');
  });

  test('has it again when mended; gone, it leaves it', () => {
    source.service('a');
    source.synced();
    source.rest();
    source.service('broken');
    source.put(SERVICE, { ...source.services.get('d/broken'), status: held } as Service);
    remnant(undefined);
    source.service('b');
    source.rest();
    expect(['a', 'b', 'broken'].map((name) => source.ips(name))).toEqual([
      '192.0.2.241',
      '',
      '192.0.2.240',
    ]);
    source.remove(SERVICE, 'd/broken');
    source.rest();
    expect(source.ips('b')).toBe('192.0.2.240');
  });
});
