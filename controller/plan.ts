/**
 * From a snapshot to what should be written: for every Service its status, annotation and
 * condition, and the events that tell of the change. Pure and whole: the plan depends on the
 * snapshot, never on what happened before, so a restart plans the same. What already is as it
 * should be yields nothing.
 */
import { POOL_ANNOTATION, heldAddresses, isOurs } from '../config/claim.ts';
import { SERVICE } from '../kube/kube.ts';
import type { KubeEvent, StatusUpdate } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { Condition, LoadBalancerIngress, Service, ServiceStatus } from '../kube/objects.ts';
import type { Problem } from '../config/problem.ts';
import { formatIp } from '../net/ip.ts';
import type { Decision } from './allocate.ts';
import type { Reason } from './reason.ts';

export const ALLOCATED = 'arpeggio.dev/Allocated';

export interface Plan {
  readonly update: StatusUpdate;
  /** Equal for plans that want the same; times do not count. */
  readonly digest: string;
  /** To be recorded once the update is written. */
  readonly events: readonly KubeEvent[];
}

export interface Subject {
  readonly service: Service;
  /** undefined: not ours (any more). */
  readonly decision: Decision | undefined;
  /** Of the request; not empty: `decision` is about what is held only. */
  readonly problems: readonly Problem[];
  /** Annotations with MetalLB's old prefix that had effect. */
  readonly deprecated: readonly string[];
}

/** `wall`: RFC 3339 time, for a condition that changes its status. undefined: nothing to do. */
export function plan(subject: Subject, wall: string): Plan | undefined {
  const { service, decision } = subject;
  if (decision === undefined) return planOther(service);
  if (decision.kind === 'untouched') return undefined;
  const held = heldAddresses(service).map(formatIp);
  const isWaiting = decision.kind === 'denied' && decision.reason === 'AddressBeingReleased';
  // A moment only: say nothing, unless an address must be given back, which others wait for.
  if (isWaiting && held.length === 0) return undefined;
  const wanted = wantedOf(subject, decision, wall);
  const before = service.metadata.annotations?.[POOL_ANNOTATION];
  const same =
    sameIngress(service.status?.loadBalancer?.ingress ?? [], wanted.ingress) &&
    before === wanted.pool &&
    sameCondition(conditionOf(service), wanted.condition);
  if (same) return undefined;
  const update = updateOf(service, wanted.ingress, wanted.condition, wanted.pool);
  const { status, reason, message } = wanted.condition;
  const digest = JSON.stringify([wanted.ingress, wanted.pool, status, reason, message]);
  return { update, digest, events: eventsOf(subject, wanted, held) };
}

interface Wanted {
  readonly ingress: readonly LoadBalancerIngress[];
  readonly pool: string | undefined;
  readonly condition: Condition;
}

function wantedOf(
  { service, problems }: Subject,
  decision: Exclude<Decision, { kind: 'untouched' }>,
  wall: string,
): Wanted {
  const trouble = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  const condition = (status: 'True' | 'False', reason: Reason, message: string): Condition => {
    const before = conditionOf(service);
    const { generation } = service.metadata;
    return {
      type: ALLOCATED,
      status,
      reason,
      message,
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : wall,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  };
  if (decision.kind === 'denied') {
    const reason = trouble === '' ? decision.reason : 'InvalidRequest';
    const message = trouble === '' ? decision.message : trouble;
    return { ingress: [], pool: undefined, condition: condition('False', reason, message) };
  }
  const { addresses, pool } = decision;
  const texts = addresses.map(formatIp);
  const has = `${texts.join(' and ')} from pool "${pool}"`;
  return {
    ingress: texts.map((ip) => ({ ip, ipMode: 'VIP' })),
    pool,
    condition:
      trouble === ''
        ? condition('True', 'Allocated', has)
        : condition('True', 'InvalidRequest', `keeps ${has} until this is mended: ${trouble}`),
  };
}

/** A Service of another type, or class: only our own traces are taken away. */
function planOther(service: Service): Plan | undefined {
  const annotated = service.metadata.annotations?.[POOL_ANNOTATION] !== undefined;
  const condition = conditionOf(service);
  const isOtherClass = service.spec.type === 'LoadBalancer';
  // Another class has another controller, whose status it may be by now.
  if (isOtherClass || (!annotated && condition === undefined)) return undefined;
  return { update: updateOf(service, [], undefined, undefined), digest: '', events: [] };
}

function updateOf(
  service: Service,
  ingress: readonly LoadBalancerIngress[],
  condition: Condition | undefined,
  pool: string | undefined,
): StatusUpdate {
  const others = (service.status?.conditions ?? []).filter(({ type }) => type !== ALLOCATED);
  const conditions = condition === undefined ? others : [...others, condition];
  const { conditions: _, ...rest } = service.status ?? {};
  const status: ServiceStatus = {
    ...rest,
    loadBalancer: ingress.length === 0 ? {} : { ingress },
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  return {
    resource: SERVICE,
    key: keyOf(service),
    resourceVersion: service.metadata.resourceVersion ?? '',
    status,
    annotations: { [POOL_ANNOTATION]: pool },
  };
}

/** MetalLB's reasons and, where its tests look at them, its messages. */
function eventsOf(
  { service, problems, deprecated }: Subject,
  { ingress, condition }: Wanted,
  held: readonly string[],
): readonly KubeEvent[] {
  const key = keyOf(service);
  const events: KubeEvent[] = [];
  const add = (type: KubeEvent['type'], reason: string, message: string): void => {
    events.push({ resource: SERVICE, key, type, reason, message });
  };
  const now = ingress.map(({ ip }) => ip ?? '');
  const lost = held.filter((ip) => !now.includes(ip));
  const won = now.filter((ip) => !held.includes(ip));
  const quoted = (ips: readonly string[]): string => ips.map((ip) => `"${ip}"`).join(' ');
  if (lost.length > 0) {
    const why =
      condition.status === 'True' ? 'the configuration or the request changed' : condition.message;
    add('Normal', 'ClearAssignment', `IP [${quoted(lost)}] is taken away: ${why}`);
  }
  if (won.length > 0) {
    const isMore = lost.length === 0 && held.length > 0;
    const message = isMore
      ? `Assigned additional IP [${quoted(won)}]`
      : `Assigned IP [${quoted(now)}]`;
    add('Normal', 'IPAllocated', message);
  }
  const isNews = !sameCondition(conditionOf(service), condition);
  if (problems.length > 0 && isNews) add('Warning', 'LoadBalancerFailed', condition.message);
  else if (condition.status === 'False' && isNews && condition.reason !== RELEASING) {
    add('Warning', 'AllocationFailed', `Failed to allocate IP for "${key}": ${condition.message}`);
  }
  for (const name of deprecated) {
    add('Warning', 'deprecatedAnnotation', `Service uses deprecated annotation ${name}`);
  }
  return events;
}

const RELEASING: Reason = 'AddressBeingReleased';

function conditionOf(service: Service): Condition | undefined {
  return service.status?.conditions?.find(({ type }) => type === ALLOCATED);
}

/** An ingress without ipMode means VIP; older API servers drop the field. */
function sameIngress(
  before: readonly LoadBalancerIngress[],
  after: readonly LoadBalancerIngress[],
): boolean {
  const text = ({ ip, hostname, ipMode }: LoadBalancerIngress): string =>
    JSON.stringify([ip, hostname, ipMode ?? 'VIP']);
  return before.map(text).join() === after.map(text).join();
}

/** Time and generation follow; they are no reason to write. */
function sameCondition(before: Condition | undefined, after: Condition): boolean {
  return (
    before?.status === after.status &&
    before.reason === after.reason &&
    before.message === after.message
  );
}

/** Addresses that a Service shows without being ours to decide on: nobody may get them yet. */
export function isOccupying(service: Service, lbClass?: string): boolean {
  return !isOurs(service, lbClass) && heldAddresses(service).length > 0;
}
