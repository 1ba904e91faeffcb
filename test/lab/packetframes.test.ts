/**
 * The packet plane and its specification in respond.ts agree on any frame from the wire, through
 * the filter that the kernel runs: same verdict, same bytes, same sightings; and what names no
 * address of the table leaves no trace.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatIp } from '../../net/ip.ts';
import { respond } from '../../speaker/respond.ts';
import type { PlaneState } from '../../speaker/respond.ts';
import { Cable, PlaneProcess, namesVip } from './cable.ts';
import { OURS, announced, deliver, delivered, toldWith } from './frames.ts';

const FOREVER = 1e12;

describe('the packet plane and respond.ts', () => {
  let cable: Cable;
  let host: PlaneProcess;

  beforeAll(() => {
    cable = new Cable('packet');
    host = new PlaneProcess(cable.node, 'packet');
    cable.settle = () => host.call('settle');
  });
  afterAll(async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  test.each([
    ['while the lease runs', FOREVER],
    ['after the lease', 1],
  ])(
    'agree on every frame %s',
    async (_, until) => {
      const [near, far] = cable.links;
      const announcements = announced(far);
      await host.plane.attach(near);
      await host.plane.apply({ put: announcements, remove: [] });
      await host.plane.renew(until);
      const links = new Map([[near.index, near]]);
      const state: PlaneState = { until, announcements, links, guard: false };
      const met = new Map<string, number>();
      let counters = await host.plane.counters();
      let frames = 0;

      await fc.assert(
        fc.asyncProperty(delivered, fc.boolean(), async ({ frame, to }, onFar) => {
          const link = onFar ? far : near;
          // New entries now and then, so that no limit hides a sighting.
          if (frames++ % 9 === 0) {
            await host.plane.apply({ put: new Map(), remove: [...announcements.keys()] });
            await host.plane.apply({ put: announcements, remove: [] });
            counters = await host.plane.counters();
          }
          const sent = deliver(frame, to, link);
          const expected = respond(state, link, sent, cable.now());
          const counts = namesVip(sent, OURS) && expected.verdict !== 'other';
          if (counts) met.set(expected.verdict, (met.get(expected.verdict) ?? 0) + 1);

          const replies = await cable.ask(link.index, sent);
          const before = counters;
          counters = await host.plane.counters();
          const grown = [...counters].filter(([key, n]) => n !== before.get(key));
          const names = grown.map(([key]) => key);
          expect(replies).toEqual(expected.reply === undefined ? [] : [expected.reply]);
          const target = expected.reply === undefined ? [] : [`answered ${expected.asked}`];
          const told = toldWith(expected);
          const seen = told.map((one) => `seen ${formatIp(one.ip)}`);
          expect(names.toSorted()).toEqual(
            counts ? [expected.verdict, ...target, ...seen].toSorted() : [],
          );
          expect(await host.plane.sightings()).toEqual(told);
        }),
        { numRuns: 1000 },
      );
      const ended = until === FOREVER ? 'answered' : 'lapsed';
      const every = ['otherhost', 'oversized', 'malformed', 'gratuitous', 'unattached', 'reply'];
      expect([...met.keys()].toSorted()).toEqual(
        [...every, 'unknown', 'restricted', 'watched', ended].toSorted(),
      );
    },
    120_000,
  );
});
