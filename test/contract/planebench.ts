/**
 * The bench of the data-plane contract: a plane with two links, somebody at the other end of each
 * cable, and the steps that its cases share.
 */
import { expect } from '@jest/globals';
import type { Delta } from '../../lib/diff.ts';
import type { Result } from '../../lib/result.ts';
import type { Instant } from '../../lib/time.ts';
import { formatIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import type {
  Announcement,
  DataPlane,
  Mended,
  PlaneLink,
  Sighting,
} from '../../speaker/dataplane.ts';
import type { LinkIndex } from '../../speaker/links.ts';
import { QUESTIONS, VIP4, VIP6 } from './questions.ts';
import type { Question } from './questions.ts';

/** A plane whose calls may cross a process. */
export interface RemotePlane {
  attach(link: PlaneLink): Promise<Result<void, string>>;
  detach(index: LinkIndex): Promise<Result<void, string>>;
  apply(delta: Delta<Announcement>): Promise<Result<void, string>>;
  renew(until: Instant): Promise<Result<void, string>>;
  send(link: LinkIndex, frame: Uint8Array): Promise<Result<void, string>>;
  read(): Promise<Result<ReadonlyMap<string, Announcement>, string>>;
  sightings(): Promise<readonly Sighting[]>;
  asked(key: string): Promise<number>;
  mend(): Promise<ReadonlyMap<LinkIndex, Result<Mended, string>>>;
  counters(): Promise<ReadonlyMap<string, bigint>>;
}

export interface PlaneBench {
  readonly plane: RemotePlane;
  /** With the MACs that the links have; nothing is attached yet. */
  readonly links: readonly [PlaneLink, PlaneLink];
  now(): Instant;
  /** Puts a frame on the cable and returns what comes back because of it. */
  ask(link: LinkIndex, frame: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What the plane sent on a link, unasked, since the last call. */
  heard(link: LinkIndex): Promise<readonly Uint8Array[]>;
  /** Takes the plane off a link behind its back; missing where that cannot be done. */
  readonly strip?: (link: LinkIndex) => void;
  /** Sends a frame as the kernel of the plane's host might; returns what gets to the other end. */
  leave(link: LinkIndex, frame: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Whether the plane keeps that kernel from speaking for addresses not held. */
  readonly guards: boolean;
  /** Whether a frame gets to the plane at all; missing where every frame does. */
  readonly sees?: (frame: Uint8Array) => boolean;
  close(): Promise<void>;
}

export function remote(plane: DataPlane): RemotePlane {
  return {
    attach: async (link) => plane.attach(link),
    detach: async (index) => plane.detach(index),
    apply: async (delta) => plane.apply(delta),
    renew: async (until) => plane.renew(until),
    send: async (link, frame) => plane.send(link, frame),
    read: async () => plane.read(),
    sightings: async () => plane.sightings(),
    asked: async (key) => plane.asked(key),
    mend: async () => plane.mend(),
    counters: async () => plane.counters(),
  };
}

const HOUR = 3_600_000;

type Put = Omit<Announcement, 'role'> & Partial<Announcement>;

/** To be answered, unless told otherwise. */
export function put(...announcements: readonly Put[]): Delta<Announcement> {
  const named = announcements.map((one) => [formatIp(one.ip), { role: 'answer', ...one }] as const);
  return { put: new Map(named), remove: [] };
}

export function remove(...ips: readonly Ip[]): Delta<Announcement> {
  return { put: new Map(), remove: ips.map(formatIp) };
}

export const BOTH = put({ ip: VIP4, links: 'all' }, { ip: VIP6, links: 'all' });
export const EITHER = [QUESTIONS[0], QUESTIONS[3]] as readonly Question[];

/** The bench of the suite that runs, for its cases. */
export let bench: PlaneBench;
export let plane: RemotePlane;
export let near: PlaneLink;
export let far: PlaneLink;

export function enter(opened: PlaneBench): void {
  bench = opened;
  plane = opened.plane;
  [near, far] = opened.links;
}

/** Every case begins here, whatever the one before it left. */
export async function begin(delta: Delta<Announcement> = BOTH): Promise<void> {
  await done(plane.attach(near));
  await done(plane.attach(far));
  await done(plane.apply(remove(VIP4, VIP6)));
  await done(plane.apply(delta));
  await done(plane.renew(bench.now() + HOUR));
}

export async function done(result: Promise<Result<void, string>>): Promise<void> {
  expect(await result).toEqual({ ok: true, value: undefined });
}

/** What comes back for a question of either family. */
export async function asked(link: PlaneLink): Promise<readonly Uint8Array[]> {
  const answers = [];
  for (const { frame } of EITHER) answers.push(...(await bench.ask(link.index, frame)));
  return answers;
}

export function bothFrom(mac: Mac): readonly Uint8Array[] {
  return EITHER.map((one) => one.answer(mac));
}

/** How much the counters grew while `run` ran; zeroes are left out. */
export async function growth(run: () => Promise<void>): Promise<Record<string, bigint>> {
  const before = await plane.counters();
  await run();
  const after = [...(await plane.counters())];
  const grown = after.map(([key, n]) => [key, n - (before.get(key) ?? 0n)] as const);
  return Object.fromEntries(grown.filter(([, n]) => n !== 0n));
}

/** What the counters must show for so many questions that the guard took from the kernel. */
export function silenced(count: bigint): Record<string, bigint> {
  return bench.guards ? { silenced: count } : {};
}
