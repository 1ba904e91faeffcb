/**
 * A node of the simulated cluster: the real Reflex on the model of a data plane, which is the part
 * of it that lives on when the process is frozen.
 */
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Mac } from '../../net/mac.ts';
import type { Probe } from '../../speaker/asking.ts';
import type { Link } from '../../speaker/links.ts';
import type { Isolation } from '../../speaker/membership.ts';
import { openModelPlane } from '../../speaker/model.ts';
import type { ModelPlane } from '../../speaker/model.ts';
import { Reflex } from '../../speaker/reflex.ts';
import type { ReflexInput, ReflexState } from '../../speaker/reflexport.ts';
import { PROFILES } from '../../speaker/timing.ts';
import type { Timing } from '../../speaker/timing.ts';

export interface MemberOptions {
  readonly random: Random;
  /** The greatest difference of a node's clock rate, in parts of one. */
  readonly drift?: number | undefined;
  readonly isolation?: Isolation | undefined;
  readonly timing?: Timing | undefined;
  readonly probe?: Probe | undefined;
}

export interface Member {
  readonly name: string;
  readonly link: Link;
  readonly reflex: Reflex;
  readonly timing: Timing;
  /** Difference of its clock to the simulation's, and how fast it goes. */
  readonly skew: Millis;
  readonly rate: number;
  readonly plane: ModelPlane;
  /** What its table answers for. */
  readonly table: Set<string>;
  until: Instant;
  state: ReflexState | undefined;
  frozen: boolean;
  crashed: boolean;
  announced: number;
  /** When it is to be woken by the simulation's clock; it may be told sooner, for nothing. */
  wakeAt: Instant;
  /** The soonest wake-up that is on its way. */
  calledAt: Instant;
  frozenAt: Instant;
  /** Inputs that arrived while frozen. */
  readonly backlog: ReflexInput[];
}

/** The one data link of the node of that number. */
export function eth0(number: number): Link {
  return {
    index: 1,
    name: 'eth0',
    mac: macOf(number),
    up: true,
    noarp: false,
    loopback: false,
    broadcast: true,
    master: undefined,
    addresses: [{ family: 6, value: (0xfe80n << 112n) | BigInt(number) }],
  };
}

function macOf(number: number): Mac {
  const hex = number.toString(16).padStart(4, '0');
  return `02:64:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`;
}

/** What its clock shows. */
export function localTime({ skew, rate }: Member, now: Instant): Instant {
  return skew + now * rate;
}

export function newMember(name: string, link: Link, options: MemberOptions): Member {
  const { random, timing = PROFILES.default, isolation = 'keep', probe = 'optimistic' } = options;
  const { drift = 0 } = options;
  const boot = Array.from({ length: 16 }, () => Math.floor(random() * 16).toString(16)).join('');
  const plane = openModelPlane();
  const asked = (key: string): number => plane.asked(key);
  return {
    name,
    link,
    reflex: new Reflex({ node: name, boot, timing, isolation, probe, random, asked }),
    plane,
    timing,
    skew: Math.floor(random() * 1e6),
    rate: drift === 0 ? 1 : 1 + (2 * random() - 1) * drift,
    table: new Set(),
    until: -Infinity,
    state: undefined,
    frozen: false,
    crashed: false,
    announced: 0,
    wakeAt: Infinity,
    calledAt: Infinity,
    frozenAt: Infinity,
    backlog: [],
  };
}
