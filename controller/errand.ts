/**
 * What is being written about one Service: what was asked for last, on which version, and what it
 * promises.
 */
import { heldAddresses } from '../config/claim.ts';
import { SERVICE } from '../kube/kube.ts';
import type { KubeFailure, StatusUpdate } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import type { Ip } from '../net/ip.ts';
import { FENCE } from './addressclaim.ts';
import type { Claimant } from './claims.ts';
import type { ClaimAct } from './claimtable.ts';
import type { Plan } from './plan.ts';

export interface Entry {
  service: Service;
  /** Turn in which that version came. */
  seen: number;
  /** What was asked for last, as long as the source does not show a newer object. */
  last: Write | undefined;
  failures: number;
  /** Something was to be written while a write was under way. */
  isBehind: boolean;
  /** Turn in which a write was sent that is known to have changed it. */
  fencedAt: number;
  /** Its claims are to be tidied when the source shows what was written. */
  hasChores: boolean;
}

export interface Write {
  /** The version of the Service that it is based on. */
  readonly base: string;
  /** undefined: only claims. */
  readonly plan: Plan | undefined;
  readonly promised: readonly Ip[];
  state: 'claiming' | 'under way' | 'done' | 'failed';
  sentAt: number;
  /** Claims that must be written first. */
  readonly claims: Set<ClaimAct>;
  isRefused: boolean;
}

export function isUnderWay(write: Write | undefined): boolean {
  return write?.state === 'claiming' || write?.state === 'under way';
}

/** What a write under way promises, or undefined: what is shown is the truth, newer than that. */
export function promisedBy({ last, service }: Entry): readonly Ip[] | undefined {
  return last?.base === versionOf(service) ? last.promised : undefined;
}

export function versionOf(service: Service): string {
  return service.metadata.resourceVersion ?? '';
}

export function claimantOf({ service, seen }: Entry): Claimant {
  return { metadata: service.metadata, seen, shows: heldAddresses(service) };
}

/** Somebody else being faster is an everyday matter. */
export function isOdd({ kind }: KubeFailure): boolean {
  return kind !== 'conflict' && kind !== 'exists' && kind !== 'not-found';
}

/** A write of what is there already changes nothing, not even the version. */
export function isChange(update: StatusUpdate, written: unknown): boolean {
  const version = (written as KubeObject | undefined)?.metadata?.resourceVersion;
  return version !== update.resourceVersion;
}

/** So that whatever was decided on an earlier version fails. */
export function fenced(service: Service, value: string): Plan {
  const update: StatusUpdate = {
    resource: SERVICE,
    key: keyOf(service),
    resourceVersion: versionOf(service),
    status: service.status ?? {},
    annotations: { [FENCE]: value },
  };
  return { update, digest: `fence ${value}`, events: [] };
}
