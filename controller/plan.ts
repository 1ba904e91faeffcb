/**
 * From a snapshot to what should be written: for every Service its status, annotations and
 * conditions, and the events that tell of the change. Pure and whole: the plan depends on the
 * snapshot, never on what happened before, so a restart plans the same. What already is as it
 * should be yields nothing.
 */
import { ANNOUNCED_BY, POOL_ANNOTATION, heldAddresses } from '../config/claim.ts';
import { SERVICE } from '../kube/kube.ts';
import type { KubeEvent, StatusUpdate } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { Condition, LoadBalancerIngress, Service, ServiceStatus } from '../kube/objects.ts';
import type { Problem } from '../config/problem.ts';
import { formatIp } from '../net/ip.ts';
import { FENCE } from './addressclaim.ts';
import type { Decision } from './allocate.ts';
import type { Announcement } from './announcement.ts';
import { contest } from './contest.ts';
import type { Contest } from './contest.ts';
import type { Reason } from './reason.ts';

export const ALLOCATED = 'arpeggio.dev/Allocated';
export const ANNOUNCED = 'arpeggio.dev/Announced';
export const ADDRESS_CONFLICT = 'arpeggio.dev/AddressConflict';

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
  /** Which other Service has an address now. */
  readonly rival?: (ip: string) => string | undefined;
  /** `unchanged`: what is shown stays. undefined: speakers do not report here. */
  readonly announcement?: Announcement | 'unchanged' | undefined;
  /** undefined: the same. */
  readonly contest?: Contest | undefined;
}

/** `wall`: RFC 3339 time, for a condition that changes its status. undefined: nothing to do. */
export function plan(subject: Subject, wall: string): Plan | undefined {
  const { service, decision, announcement } = subject;
  if (decision === undefined) return planOther(service);
  if (decision.kind === 'untouched') return undefined;
  const known = isContested(subject) ? undefined : asWanted.get(service);
  if (known?.decision === decision && known.announcement === announcement) return undefined;
  const held = heldAddresses(service).map(formatIp);
  const isWaiting = decision.kind === 'denied' && decision.reason === 'AddressBeingReleased';
  // A moment only: say nothing, unless an address must be given back, which others wait for.
  if (isWaiting && held.length === 0) return undefined;
  const wanted = wantedOf(subject, decision, wall);
  const annotations = service.metadata.annotations ?? {};
  const same =
    sameIngress(service.status?.loadBalancer?.ingress ?? [], wanted.ingress) &&
    annotations[POOL_ANNOTATION] === wanted.pool &&
    annotations[ANNOUNCED_BY] === wanted.announcedBy &&
    sameCondition(conditionOf(service, ALLOCATED), wanted.condition) &&
    sameCondition(conditionOf(service, ANNOUNCED), wanted.announced) &&
    sameCondition(conditionOf(service, ADDRESS_CONFLICT), wanted.conflict);
  if (same) {
    asWanted.set(service, { decision, announcement });
    return undefined;
  }
  const { ingress, pool, announcedBy } = wanted;
  const conditions = [wanted.condition, wanted.announced, wanted.conflict].map(gist);
  const digest = JSON.stringify([ingress, pool, announcedBy, ...conditions]);
  return { update: updateOf(service, wanted), digest, events: eventsOf(subject, wanted, held) };
}

function isContested({ service, contest: given }: Subject): boolean {
  const isShown = conditionOf(service, ADDRESS_CONFLICT)?.status === 'True';
  return isShown || (given !== undefined && given.strangers.length > 0);
}

/** Services that were found to be as they should be: nearly all, at nearly every decision. */
const asWanted = new WeakMap<Service, Pick<Subject, 'decision' | 'announcement'>>();

interface Wanted {
  readonly ingress: readonly LoadBalancerIngress[];
  readonly pool: string | undefined;
  readonly condition: Condition;
  readonly announcedBy: string | undefined;
  readonly announced: Condition | undefined;
  readonly conflict: Condition | undefined;
  /** Somebody claims an address, and it was not said before. */
  readonly isConflictNews: boolean;
}

function wantedOf(
  subject: Subject,
  decision: Exclude<Decision, { kind: 'untouched' }>,
  wall: string,
): Wanted {
  const { service, problems, announcement } = subject;
  const trouble = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  const condition = (status: 'True' | 'False', reason: Reason, message: string): Condition =>
    made(service, { type: ALLOCATED, status, reason, message }, wall);
  if (decision.kind === 'denied') {
    const reason = trouble === '' ? decision.reason : 'InvalidRequest';
    const message = trouble === '' ? decision.message : trouble;
    const none = { announcedBy: undefined, announced: undefined };
    const refused = condition('False', reason, message);
    const conflict = conflictOf(subject, [], wall);
    return { ingress: [], pool: undefined, condition: refused, ...none, ...conflict };
  }
  const { addresses, pool } = decision;
  const texts = addresses.map(formatIp);
  const has = `${texts.join(' and ')} from pool "${pool}"`;
  const instead = insteadOf(subject, texts, has);
  return {
    ingress: texts.map((ip) => ({ ip, ipMode: 'VIP' })),
    pool,
    condition:
      trouble === ''
        ? condition('True', 'Allocated', `${has}${instead}`)
        : condition('True', 'InvalidRequest', `keeps ${has} until this is mended: ${trouble}`),
    ...announcedOf(service, announcement, texts, wall),
    ...conflictOf(subject, texts, wall),
  };
}

function conflictOf(
  { service, contest: given }: Subject,
  texts: readonly string[],
  wall: string,
): Pick<Wanted, 'conflict' | 'isConflictNews'> {
  if (given === undefined) return { conflict: undefined, isConflictNews: false };
  const before = conditionOf(service, ADDRESS_CONFLICT);
  const held = heldAddresses(service).map(formatIp);
  const lost = held.filter((ip) => !texts.includes(ip));
  const isSame = lost.length === 0 && held.length === texts.length;
  const { said, isNews } = contest(given, before, { lost, isSame });
  if (said === undefined) return { conflict: undefined, isConflictNews: isNews };
  const { status, reason, message } = said;
  const conflict = made(service, { type: ADDRESS_CONFLICT, status, reason, message }, wall);
  return { conflict, isConflictNews: isNews };
}

const INSTEAD = '; two Services had ';

/** Why it has another address than before, as long as it has this one. */
function insteadOf({ service, rival }: Subject, texts: readonly string[], has: string): string {
  const said = conditionOf(service, ALLOCATED)?.message ?? '';
  if (said.startsWith(`${has}${INSTEAD}`)) return said.slice(has.length);
  for (const ip of heldAddresses(service).map(formatIp)) {
    const other = texts.includes(ip) ? undefined : rival?.(ip);
    if (other !== undefined) return `${INSTEAD}${ip}, and ${other} had it first`;
  }
  return '';
}

function announcedOf(
  service: Service,
  announcement: Subject['announcement'],
  texts: readonly string[],
  wall: string,
): Pick<Wanted, 'announcedBy' | 'announced'> {
  if (announcement === undefined) return { announcedBy: undefined, announced: undefined };
  if (announcement === 'unchanged') {
    // It is about addresses that it has no more; speakers ask the wire before they announce others.
    const isOther = !heldAddresses(service).some((ip) => texts.includes(formatIp(ip)));
    if (isOther) return { announcedBy: undefined, announced: undefined };
    const announcedBy = service.metadata.annotations?.[ANNOUNCED_BY];
    return { announcedBy, announced: conditionOf(service, ANNOUNCED) };
  }
  const { status, reason, message, nodes } = announcement;
  return {
    announcedBy: nodes.length === 0 ? undefined : nodes.join(),
    announced: made(service, { type: ANNOUNCED, status, reason, message }, wall),
  };
}

/** Its time is that of the last change of its status. */
function made(
  service: Service,
  condition: Pick<Condition, 'type' | 'status' | 'reason' | 'message'>,
  wall: string,
): Condition {
  const before = conditionOf(service, condition.type);
  const { generation } = service.metadata;
  return {
    ...condition,
    lastTransitionTime: before?.status === condition.status ? before.lastTransitionTime : wall,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

/** A Service of another type, or class: only our own traces are taken away. */
function planOther(service: Service): Plan | undefined {
  const annotations = service.metadata.annotations ?? {};
  const isMarked = [POOL_ANNOTATION, ANNOUNCED_BY].some((name) => annotations[name] !== undefined);
  const isJudged = OURS.some((type) => conditionOf(service, type) !== undefined);
  const isOtherClass = service.spec.type === 'LoadBalancer';
  // Another class has another controller, whose status it may be by now.
  if (isOtherClass || (!isMarked && !isJudged)) return undefined;
  return { update: updateOf(service, NOTHING), digest: '', events: [] };
}

const NOTHING = {
  ingress: [],
  pool: undefined,
  condition: undefined,
  announcedBy: undefined,
  announced: undefined,
  conflict: undefined,
} as const;

const OURS: readonly string[] = [ALLOCATED, ANNOUNCED, ADDRESS_CONFLICT];

function updateOf(service: Service, wanted: Wanted | typeof NOTHING): StatusUpdate {
  const { ingress, condition, announced, conflict, pool, announcedBy } = wanted;
  const others = (service.status?.conditions ?? []).filter(({ type }) => !OURS.includes(type));
  const ours = [condition, announced, conflict].filter((each) => each !== undefined);
  const conditions = [...others, ...ours];
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
    annotations: {
      [POOL_ANNOTATION]: pool,
      [ANNOUNCED_BY]: announcedBy,
      ...(service.metadata.annotations?.[FENCE] === undefined ? {} : { [FENCE]: undefined }),
    },
  };
}

/** MetalLB's reasons and, where its tests look at them, its messages. */
function eventsOf(
  { service, problems, deprecated }: Subject,
  { ingress, condition, conflict, isConflictNews }: Wanted,
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
  if (isConflictNews) add('Warning', 'AddressConflict', conflict?.message ?? '');
  if (lost.length > 0) {
    const why = isConflictNews ? 'somebody else claims it' : whyLost(condition);
    add('Normal', 'ClearAssignment', `IP [${quoted(lost)}] is taken away: ${why}`);
  }
  if (won.length > 0) {
    const isMore = lost.length === 0 && held.length > 0;
    const message = isMore
      ? `Assigned additional IP [${quoted(won)}]`
      : `Assigned IP [${quoted(now)}]`;
    add('Normal', 'IPAllocated', message);
  }
  const isNews = !sameCondition(conditionOf(service, ALLOCATED), condition);
  if (problems.length > 0 && isNews) add('Warning', 'LoadBalancerFailed', condition.message);
  else if (condition.status === 'False' && isNews && condition.reason !== RELEASING) {
    add('Warning', 'AllocationFailed', `Failed to allocate IP for "${key}": ${condition.message}`);
  }
  // Who announces changes, too, and is no occasion to say it again.
  const isOccasion = isNews || won.length > 0 || lost.length > 0;
  for (const name of isOccasion ? deprecated : []) {
    add('Warning', 'deprecatedAnnotation', `Service uses deprecated annotation ${name}`);
  }
  return events;
}

function whyLost({ status, message }: Condition): string {
  const at = message.indexOf(INSTEAD);
  const changed = at < 0 ? 'the configuration or the request changed' : message.slice(at + 2);
  return status === 'True' ? changed : message;
}

const RELEASING: Reason = 'AddressBeingReleased';

function conditionOf(service: Service, type: string): Condition | undefined {
  return service.status?.conditions?.find((condition) => condition.type === type);
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
function sameCondition(before: Condition | undefined, after: Condition | undefined): boolean {
  return gist(before) === gist(after);
}

function gist(condition: Condition | undefined): string {
  return JSON.stringify([condition?.status, condition?.reason, condition?.message]);
}

/** Whether a write under way is not what is wanted any more; its echo may be there already. */
export function isOvertaken(
  asked: Plan | undefined,
  wanted: Plan | undefined,
  service: Service,
): boolean {
  if (wanted !== undefined) return wanted.digest !== asked?.digest;
  return asked?.update.resourceVersion === service.metadata.resourceVersion;
}
