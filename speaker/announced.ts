/**
 * What this node answers for, by Service, and what of it changed: events and log lines for people,
 * on change only.
 *
 * An address can be owned and not answered: where its advertisements name interfaces, and none of
 * those is of use on the node that owns it. No other node takes over, as in MetalLB; but it is
 * said, by MetalLB's event and as the reason on the Service.
 */
import { diff } from '../lib/diff.ts';
import type { Note } from '../lib/note.ts';
import { SERVICE } from '../kube/kube.ts';
import type { KubeEvent } from '../kube/kube.ts';
import type { ReportedInterface, ReportedSilence } from '../owners/report.ts';
import { firstOfSubnets } from './links.ts';
import type { Plan } from './plan.ts';
import type { ReflexState } from './reflexport.ts';
import type { Order } from './vip.ts';

/** An address that this node owns, and a Service that holds it. */
export interface Announced {
  readonly service: string;
  readonly ip: string;
}

export interface Owned {
  /** Answered. */
  readonly announced: readonly Announced[];
  /** Not answered, for want of an interface. */
  readonly missing: readonly Announced[];
}

export const NOTHING_OWNED: Owned = { announced: [], missing: [] };

export function ownedOf(plan: Plan, reflex: ReflexState | undefined): Owned {
  const [announced, missing]: [Announced[], Announced[]] = [[], []];
  const links = reflex?.links ?? [];
  for (const ip of reflex?.held ?? []) {
    const { interfaces = 'all' } = plan.orders.get(ip) ?? {};
    const isAnswered = interfaces === 'all' || links.some(({ name }) => interfaces.includes(name));
    for (const service of plan.holders.get(ip) ?? []) {
      (isAnswered ? announced : missing).push({ service, ip });
    }
  }
  return { announced, missing };
}

/** Those of these links that an address is answered on. */
export function interfacesOf(
  order: Order | undefined,
  links: ReflexState['links'],
): readonly ReportedInterface[] {
  const chosen = order?.interfaces ?? 'all';
  const used = chosen === 'all' ? links : links.filter(({ name }) => chosen.includes(name));
  return firstOfSubnets(used)
    .map(({ name, mac }) => ({ name, mac }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** For each Service of which an address is owned and not answered. */
export function missingOf(plan: Plan, { missing }: Owned): readonly ReportedSilence[] {
  const silent = new Map<string, ReportedSilence>();
  for (const { service, ip } of missing) {
    if (plan.silent.has(service)) continue;
    const sentence = sentenceOf(plan.orders.get(ip));
    silent.set(service, { service, reason: 'InterfaceMissing', sentence });
  }
  return [...silent.values()];
}

/** Five names are enough to see which advertisement it is. */
function sentenceOf(order: Order | undefined): string {
  const names = order === undefined || order.interfaces === 'all' ? [] : order.interfaces;
  const named = names.slice(0, 5).join(' or ') + (names.length > 5 ? ' or others' : '');
  const what = `the node that owns its address has no interface ${named} that can answer`;
  return `${what}: it is not there, down, excluded, or part of a bridge or bond`;
}

export interface Told {
  readonly notes: readonly Note[];
  readonly events: readonly KubeEvent[];
}

/** What there is to say; `node` is this one. */
export function tellOwned(before: Owned, after: Owned, node: string, plan: Plan): Told {
  const was = keyed(before.announced);
  const { put, remove } = diff(was, keyed(after.announced), () => true);
  const lost = diff(keyed(before.missing), keyed(after.missing), () => true);
  const notes: Note[] = [];
  const say = (level: Note['level'], event: string, msg: string, fields: Note['fields']): void => {
    notes.push({ level, event, msg, fields });
  };
  for (const { service, ip } of put.values()) {
    say('info', 'ServiceAnnounced', `${ip} is answered from here`, { service, ip });
  }
  for (const gone of remove.map((key) => was.get(key))) {
    if (gone !== undefined) say('info', 'ServiceWithdrawn', `${gone.ip} let go`, { ...gone });
  }
  const events: KubeEvent[] = [];
  for (const service of new Set([...put.values()].map((each) => each.service))) {
    const message = `announcing from node "${node}" with protocol "layer2"`;
    events.push({
      resource: SERVICE,
      key: service,
      type: 'Normal',
      reason: 'nodeAssigned',
      message,
    });
  }
  for (const { service, ip } of lost.put.values()) {
    const sentence = sentenceOf(plan.orders.get(ip));
    say('warn', 'InterfaceMissing', `${ip} is not answered: ${sentence}`, { service, ip });
    const what = `the interfaces specified by LB IP "${ip}" doesn't exist in assigned node`;
    const message = `${what} "${node}" with protocol "layer2"`;
    const reason = 'announceFailed';
    events.push({ resource: SERVICE, key: service, type: 'Warning', reason, message });
  }
  return { notes, events };
}

function keyed(all: readonly Announced[]): ReadonlyMap<string, Announced> {
  return new Map(all.map((each) => [nameOf(each), each]));
}

function nameOf({ service, ip }: Announced): string {
  return `${service} ${ip}`;
}
