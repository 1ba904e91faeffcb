/**
 * The guard's program on exact frames (BPF_PROG_TEST_RUN, nothing is sent): byte for byte what
 * leaves. 192.0.2.240 is watched, 192.0.2.241 held as long as the lease; the link has 192.0.2.7.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Announcement, PlaneLink } from '../../speaker/dataplane.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess } from './cable.ts';
import type { DryLeave } from './planehost.ts';

jest.setTimeout(20_000);

const FOREVER = 1e12;
const TABLE: readonly (readonly [string, Announcement['role']])[] = [
  ['192.0.2.240', 'watch'],
  ['192.0.2.241', 'answer'],
];

/** From 02:64:00:00:00:02: Ethernet header, and the ARP header with this operation. */
const to = (destination: string): string => `${destination} 026400000002 0806`;
const ALL = to('ffffffffffff');
const ASKER = to('026400000077');
const REQUEST = '0001 0800 06 04 0001 026400000002';
const REPLY = '0001 0800 06 04 0002 026400000002';
/** Whom it is about: an empty MAC and an address. */
const GATEWAY = '000000000000 c0000201';
const PADDING = '00'.repeat(18);

interface Fixture {
  readonly name: string;
  readonly frame: string;
  /** Nothing: it does not leave. */
  readonly leaves?: string;
  readonly deed?: 'rewritten' | 'suppressed';
}

const whileHeld: readonly Fixture[] = [
  {
    name: 'a question from a watched address gets the own one',
    frame: `${ALL} ${REQUEST} c00002f0 ${GATEWAY}`,
    leaves: `${ALL} ${REQUEST} c0000207 ${GATEWAY}`,
    deed: 'rewritten',
  },
  {
    name: 'padding stays as it is',
    frame: `${ALL} ${REQUEST} c00002f0 ${GATEWAY} ${PADDING}`,
    leaves: `${ALL} ${REQUEST} c0000207 ${GATEWAY} ${PADDING}`,
    deed: 'rewritten',
  },
  {
    name: 'an announcement of a watched address does not leave',
    frame: `${ALL} ${REQUEST} c00002f0 000000000000 c00002f0`,
    deed: 'suppressed',
  },
  {
    name: 'an answer for a watched address does not leave',
    frame: `${ASKER} ${REPLY} c00002f0 026400000077 c0000201`,
    deed: 'suppressed',
  },
  {
    name: 'a question from a held address leaves',
    frame: `${ALL} ${REQUEST} c00002f1 ${GATEWAY}`,
    leaves: `${ALL} ${REQUEST} c00002f1 ${GATEWAY}`,
  },
  {
    name: 'an answer for a held address leaves',
    frame: `${ASKER} ${REPLY} c00002f1 026400000077 c0000201`,
    leaves: `${ASKER} ${REPLY} c00002f1 026400000077 c0000201`,
  },
  {
    name: 'a question about a watched address leaves',
    frame: `${ALL} ${REQUEST} c0000207 000000000000 c00002f0`,
    leaves: `${ALL} ${REQUEST} c0000207 000000000000 c00002f0`,
  },
  {
    name: 'a probe for a watched address leaves',
    frame: `${ALL} ${REQUEST} 00000000 000000000000 c00002f0`,
    leaves: `${ALL} ${REQUEST} 00000000 000000000000 c00002f0`,
  },
  {
    name: 'reverse ARP is none of its business',
    frame: `${ALL} 0001 0800 06 04 0003 026400000002 c00002f0 ${GATEWAY}`,
    leaves: `${ALL} 0001 0800 06 04 0003 026400000002 c00002f0 ${GATEWAY}`,
  },
];

const afterwards: readonly Fixture[] = [
  {
    name: 'a question from an address that was held gets the own one',
    frame: `${ALL} ${REQUEST} c00002f1 ${GATEWAY}`,
    leaves: `${ALL} ${REQUEST} c0000207 ${GATEWAY}`,
    deed: 'rewritten',
  },
  {
    name: 'an answer for it does not leave',
    frame: `${ASKER} ${REPLY} c00002f1 026400000077 c0000201`,
    deed: 'suppressed',
  },
];

const bytes = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('the guard', () => {
  let cable: Cable;
  let host: PlaneProcess;
  let near: PlaneLink;

  beforeAll(async () => {
    cable = new Cable('fixtures');
    [near] = cable.links;
    host = new PlaneProcess(cable.node, '--guard', 'dry');
    await host.call('attach', { ...near, ip4: ip('192.0.2.7') });
    const put = TABLE.map(([text, role]) => [text, { ip: ip(text), links: 'all', role }] as const);
    await host.call('apply', { put: new Map(put), remove: [] });
  });
  afterAll(async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  function leave({ frame }: Fixture): Promise<DryLeave> {
    return host.call('leave', near.index, bytes(frame));
  }

  function expected({ leaves, deed }: Fixture): DryLeave {
    return { deed, frame: leaves === undefined ? undefined : bytes(leaves) };
  }

  test.each(whileHeld)('$name', async (fixture) => {
    await host.call('renew', FOREVER);
    expect(await leave(fixture)).toEqual(expected(fixture));
  });

  test.each(afterwards)('after the lease: $name', async (fixture) => {
    await host.call('renew', 1);
    expect(await leave(fixture)).toEqual(expected(fixture));
  });
});
