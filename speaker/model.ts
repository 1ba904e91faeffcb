/**
 * The `model` data plane: `respond` with a table, for tests and simulation. Whoever plays the wire
 * hands frames to `receive` and takes what was sent from `sent`.
 */
import { err, ok } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import type { Announcement, DataPlane, PlaneLink } from './dataplane.ts';
import type { LinkIndex } from './links.ts';
import { VERDICTS, respond } from './respond.ts';
import type { Response } from './respond.ts';

export interface SentFrame {
  readonly link: LinkIndex;
  readonly frame: Uint8Array;
}

export interface ModelPlane extends DataPlane {
  /** A frame from the wire; the reply, if any, goes back on the same link. */
  receive(link: PlaneLink, frame: Uint8Array, now: Instant): Response;
  /** Everything given to `send`, oldest first. */
  readonly sent: SentFrame[];
}

/** The same limits as responder.h, so that a test on the model finds an overflow. */
const MAX_VIPS = 16384;

export function openModelPlane(): ModelPlane {
  const announcements = new Map<string, Announcement>();
  const answered = new Map<string, bigint>();
  const links = new Map<LinkIndex, Mac>();
  const verdicts = new Map<string, bigint>(
    VERDICTS.filter((verdict) => verdict !== 'other').map((verdict) => [verdict, 0n]),
  );
  const sent: SentFrame[] = [];
  let until: Instant = 0;
  return {
    name: 'model',
    sent,
    receive(link, frame, now) {
      const response = respond({ until, announcements, links }, link, frame, now);
      const count = verdicts.get(response.verdict);
      if (count !== undefined) verdicts.set(response.verdict, count + 1n);
      if (response.target !== undefined) {
        answered.set(response.target, (answered.get(response.target) ?? 0n) + 1n);
      }
      return response;
    },
    attach({ index, mac }) {
      links.set(index, mac);
      return ok(undefined);
    },
    detach(index) {
      links.delete(index);
      return ok(undefined);
    },
    apply({ put, remove }) {
      for (const key of remove) {
        announcements.delete(key);
        answered.delete(key);
      }
      for (const [key, announcement] of put) {
        if (!announcements.has(key) && announcements.size === MAX_VIPS) {
          return err(`${key}: more than ${MAX_VIPS} addresses on one node`);
        }
        announcements.set(key, announcement);
      }
      return ok(undefined);
    },
    renew(instant) {
      until = instant;
      return ok(undefined);
    },
    send(link, frame) {
      if (!links.has(link)) return err(`link ${link} is not attached, so nothing is sent there`);
      sent.push({ link, frame: frame.slice() });
      return ok(undefined);
    },
    mend: () => new Map(),
    read: () => ok(new Map(announcements)),
    counters() {
      const counters = new Map(verdicts);
      for (const key of announcements.keys()) {
        counters.set(`answered ${key}`, answered.get(key) ?? 0n);
      }
      return counters;
    },
    close() {
      links.clear();
      announcements.clear();
      until = 0;
    },
  };
}
