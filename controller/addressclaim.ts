/**
 * The object AddressClaim as values: how it is named, who is a holder, and what is changed in one.
 * Claims that the controller made carry its label and go when nobody needs them; those that people
 * made stay, as reservations.
 */
import { ADDRESS_CLAIM } from '../kube/kube.ts';
import type { KubeObject, Meta } from '../kube/objects.ts';
import { formatIp, ipToBytes } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';

export interface Holder {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface AddressClaim extends KubeObject {
  readonly spec: {
    readonly address: string;
    readonly holders?: readonly Holder[];
    readonly reservedFor?: { readonly namespace: string; readonly name: string } | undefined;
  };
}

const MANAGED_BY = 'app.kubernetes.io/managed-by';
const OURSELVES = 'arpeggio';

/** On a claim: the version of the Service for which its newest holder was confirmed. */
export const CONFIRMED = 'arpeggio.dev/confirmed';
/** On a Service: the address and version of a claim, which was seen when this was written. */
export const FENCE = 'arpeggio.dev/fence';
/** On a Service: its address stays reserved when it is deleted. */
export const RESERVE = 'arpeggio.dev/reserve';

/** An address has one name only: IPv4 as it is, IPv6 as eight groups of four digits. */
export function claimName(ip: Ip): string {
  if (ip.family === 4) return formatIp(ip);
  const digits = [...ipToBytes(ip)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return (digits.match(/.{4}/g) ?? []).join('-');
}

/** A new one, without holders. */
export function claimFor(ip: Ip, namespace: string): AddressClaim {
  const labels = { [MANAGED_BY]: OURSELVES };
  return {
    ...ADDRESS_CLAIM,
    metadata: { name: claimName(ip), namespace, labels },
    spec: { address: formatIp(ip), holders: [] },
  };
}

export function isManaged({ metadata }: AddressClaim): boolean {
  return metadata.labels?.[MANAGED_BY] === OURSELVES;
}

export function holderOf({ namespace = '', name, uid }: Meta): Holder {
  return { namespace, name, uid: uid ?? `${namespace}/${name}` };
}

/** Of a Service in one life: its uid. */
export function idOf({ uid }: Holder): string {
  return uid;
}

export function withHolders(
  claim: AddressClaim,
  holders: readonly Holder[],
  annotations: Readonly<Record<string, string>> = {},
): AddressClaim {
  const { metadata, spec } = claim;
  const all = { ...metadata.annotations, ...annotations };
  const meta = Object.keys(all).length === 0 ? metadata : { ...metadata, annotations: all };
  return { ...claim, metadata: meta, spec: { ...spec, holders } };
}

/** As the Service wishes; what people reserved is theirs. The same object: nothing changes. */
export function withReservation(claim: AddressClaim, service: Meta): AddressClaim {
  if (!isManaged(claim)) return claim;
  const { namespace = '', name, annotations } = service;
  const wants = annotations?.[RESERVE] === 'true';
  const { reservedFor, ...spec } = claim.spec;
  const isOurs = reservedFor?.namespace === namespace && reservedFor.name === name;
  // Of several that share an address the first one that asks has it reserved.
  if (wants ? reservedFor !== undefined : !isOurs) return claim;
  return { ...claim, spec: wants ? { ...spec, reservedFor: { namespace, name } } : spec };
}

/** An API server sorts fields its own way. */
export function saysTheSame({ spec: a }: AddressClaim, { spec: b }: AddressClaim): boolean {
  const gist = ({ holders = [], reservedFor }: AddressClaim['spec']): string =>
    JSON.stringify([holders.map(idOf), reservedFor?.namespace, reservedFor?.name]);
  return gist(a) === gist(b);
}
