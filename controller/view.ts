/**
 * One Service as a decision sees it: what it asks for and holds, counting what a write under way
 * promises it; and whether a change shows nothing but such a promise kept.
 */
import {
  ANNOUNCED_BY,
  POOL_ANNOTATION,
  claimOf,
  heldAddresses,
  holdingOf,
  isOurs,
} from '../config/claim.ts';
import type { Claim } from '../config/claim.ts';
import type { Problem } from '../config/problem.ts';
import { keyOf } from '../kube/objects.ts';
import type { Service } from '../kube/objects.ts';
import { sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Entrant } from './allocate.ts';
import { FENCE } from './addressclaim.ts';

export interface View {
  readonly service: Service;
  readonly key: string;
  /** undefined: not ours. */
  readonly entrant: Entrant | undefined;
  /** Addresses that it shows, or has by claim, besides those it is taken to hold. */
  readonly occupied: readonly Ip[];
  readonly problems: readonly Problem[];
  readonly deprecated: readonly string[];
}

/**
 * `promised`: by the write that was asked for last and is not shown yet. `claimed`: by objects that
 * say that the Service has the address; where no write is under way they are promises, too, of
 * somebody who stopped between claim and status.
 */
export function viewOf(
  service: Service,
  promised: readonly Ip[] | undefined,
  claimed: readonly Ip[],
  lbClass: string | undefined,
): View {
  const key = keyOf(service);
  const { shown, result } = readingOf(service, lbClass);
  const isShown = (ip: Ip): boolean => shown.some((each) => sameIp(each, ip));
  const more = claimed.every(isShown) ? [] : claimed.filter((ip) => !isShown(ip));
  const all = more.length === 0 ? shown : [...shown, ...more];
  if (result === undefined || !isOurs(service, lbClass)) {
    return { service, key, entrant: undefined, occupied: all, problems: [], deprecated: [] };
  }
  const claim: Claim = result.ok ? result.value : holdingOf(service);
  const held = promised ?? (more.length === 0 ? undefined : all);
  return {
    service,
    key,
    entrant: {
      claim: held === undefined ? claim : { ...claim, held },
      keepOnly: !result.ok,
    },
    occupied: promised === undefined ? [] : all,
    problems: result.ok ? [] : result.error,
    deprecated: claim.deprecated,
  };
}

interface Reading {
  readonly lbClass: string | undefined;
  readonly shown: readonly Ip[];
  readonly result: ReturnType<typeof claimOf>;
}

/** Addresses cost microseconds to read, and every decision looks at every Service. */
const readings = new WeakMap<Service, Reading>();

function readingOf(service: Service, lbClass: string | undefined): Reading {
  const known = readings.get(service);
  if (known !== undefined && known.lbClass === lbClass) return known;
  const shown = heldAddresses(service);
  const reading = { lbClass, shown, result: claimOf(service, lbClass) };
  readings.set(service, reading);
  return reading;
}

/** The same Service, now showing what was promised, and all that it showed before. */
export function isEcho(before: Service, after: Service, promised: readonly Ip[]): boolean {
  const shown = heldAddresses(after);
  const among = (list: readonly Ip[]) => (ip: Ip) => list.some((other) => sameIp(other, ip));
  return (
    shown.length === promised.length &&
    shown.every(among(promised)) &&
    heldAddresses(before).every(among(shown)) &&
    wishesOf(before) === wishesOf(after)
  );
}

/** All of a Service that a decision looks at, besides its status. */
function wishesOf({ spec, metadata }: Service): string {
  const known = metadata.annotations ?? {};
  const { [POOL_ANNOTATION]: _, [ANNOUNCED_BY]: __, [FENCE]: ___, ...annotations } = known;
  return JSON.stringify([spec, metadata.labels ?? {}, annotations]);
}
