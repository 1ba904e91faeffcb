/**
 * What this speaker reports: who it is to the others, what it answers and on which interfaces, and
 * which Services nobody may announce. Made from what brain and reflex know at the moment; the same
 * knowledge gives the same text, so that a repetition is recognized.
 */
import type {
  ReportedAddress,
  ReportedConflict,
  ReportedTrouble,
  SpeakerStatus,
  Standing,
} from '../owners/report.ts';
import { interfacesOf, missingOf, ownedOf } from './announced.ts';
import { SENTENCES } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Conflict, ReflexState } from './reflexport.ts';

export interface Known {
  readonly plan: Plan;
  /** undefined: the reflex has not spoken yet. */
  readonly reflex: ReflexState | undefined;
  readonly plane: string;
  readonly troubles: readonly ReportedTrouble[];
}

export function statusOf({ plan, reflex, plane, troubles }: Known): SpeakerStatus {
  const peers = [...(reflex?.peers ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const standing = (word: Standing): readonly string[] =>
    peers.filter(([, is]) => is === word).map(([node]) => node);
  const missing = missingOf(plan, ownedOf(plan, reflex));
  return {
    phase: reflex?.phase ?? 'listening',
    plane,
    addresses: (reflex?.held ?? [])
      .toSorted()
      .map((ip) => addressOf(ip, plan, reflex))
      .filter(({ interfaces }) => interfaces.length > 0),
    silent: [
      ...[...plan.silent].map(([service, reason]) => {
        return { service, reason, sentence: SENTENCES[reason] };
      }),
      ...missing,
    ].toSorted((a, b) => (a.service < b.service ? -1 : 1)),
    conflicts: (reflex?.conflicts ?? [])
      .toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
      .map((each) => conflictOf(each, plan)),
    troubles: troubles.toSorted((a, b) => (a.reason < b.reason ? -1 : 1)),
    peers: {
      alive: standing('alive'),
      joining: standing('joining'),
      absent: standing('absent'),
      dead: standing('dead'),
    },
  };
}

/** A Service that nobody may announce is not answered for, even where it shares the address. */
function addressOf(ip: string, plan: Plan, reflex: ReflexState | undefined): ReportedAddress {
  const services = (plan.holders.get(ip) ?? []).filter((service) => !plan.silent.has(service));
  return { ip, services, interfaces: interfacesOf(plan.orders.get(ip), reflex?.links ?? []) };
}

function conflictOf({ ip, mac, link, withheld }: Conflict, plan: Plan): ReportedConflict {
  return { ip, mac, interface: link, services: plan.holders.get(ip) ?? [], withheld };
}

function idOf({ ip, mac, link }: Conflict): string {
  return `${ip} ${mac} ${link}`;
}
