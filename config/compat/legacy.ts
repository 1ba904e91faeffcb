/**
 * MetalLB's configuration up to 0.12, one YAML text in a ConfigMap, becomes the objects that its
 * converter would write: a pool with protocol layer2 is an IPAddressPool and an L2Advertisement for
 * it, one with protocol bgp gets BGPAdvertisements.
 *
 * Pools keep their names, also those that no Kubernetes object may have (kubespray's sample is
 * `kube_service_pool`): Services ask for them by name. The converter makes them lower-case and
 * turns `_` into `-`, and every annotation must follow.
 */
import { quote } from '../../lib/quote.ts';
import { BFD_PROFILE, BGP_ADVERTISEMENT, BGP_PEER, COMMUNITY } from '../../kube/kube.ts';
import { IP_ADDRESS_POOL, L2_ADVERTISEMENT } from '../../kube/kube.ts';
import type { Resource } from '../../kube/kube.ts';
import { withoutNulls } from '../../kube/manifest.ts';
import type { KubeObject, Meta } from '../../kube/objects.ts';
import { pathSteps, pathText } from '../../kube/path.ts';
import type { Path } from '../../kube/path.ts';
import { readYaml } from '../../kube/yaml.ts';
import type { YamlDocument } from '../../kube/yaml.ts';
import { faultOf, unknownFields } from '../fault.ts';
import type { Fault } from '../fault.ts';
import { parse } from '../parse.ts';
import { legacyShape } from './legacyshape.ts';
import type { LegacyConfig, LegacyPeer, LegacyPool } from './legacyshape.ts';

/** An object that stands for a part of the text. */
export interface Made {
  readonly object: KubeObject;
  /** The field of the text that a field of the object comes from, as JSON paths. */
  field(path: string): string;
}

export interface LegacyFault extends Fault {
  readonly line: number;
}

export interface Legacy {
  readonly made: readonly Made[];
  /** Not empty: nothing of it is believed. */
  readonly faults: readonly LegacyFault[];
  /** Of a field of the text. */
  lineOf(field: string): number;
}

/** Each becomes a line in the log, and one slip may make thousands of them. */
const MOST_FAULTS = 10;

/** `metadata` of all objects but for their names. */
export function readLegacy(text: string, metadata: Omit<Meta, 'name'>): Legacy {
  const { documents, faults: slips } = readYaml(text);
  if (slips.length > 0) {
    const told = slips.map(({ line, message }) => ({ line, path: '', message }));
    return { made: [], faults: told, lineOf: () => 1 };
  }
  if (documents.length > 1) {
    const message = 'there are several documents, but only one is read: put them into one';
    return { made: [], faults: [{ line: 1, path: '', message }], lineOf: () => 1 };
  }
  const [document] = documents;
  const lineOf = (field: string): number => document?.lineOf(pathSteps(field)) ?? 1;
  const read = configOf(document);
  const made = read.config === undefined ? [] : madeOf(read.config, metadata);
  const found = (read.faults.length > 0 ? read.faults : faultsOf(made)).slice(0, MOST_FAULTS);
  const faults = found.map(({ path, message }) => ({ path, message, line: lineOf(path) }));
  return { made, faults, lineOf };
}

interface Read {
  readonly config?: LegacyConfig;
  readonly faults: readonly Fault[];
}

function configOf(document: YamlDocument | undefined): Read {
  const raw = withoutNulls(document?.value ?? {}) ?? {};
  const parsed = legacyShape.safeParse(raw);
  if (!parsed.success) return { faults: parsed.error.issues.map((issue) => faultOf(issue, raw)) };
  const config = parsed.data;
  const faults = [...unknownFields(raw, config, []), ...twins(config), ...strays(config)];
  return { config, faults };
}

function twins(config: LegacyConfig): readonly Fault[] {
  const faults: Fault[] = [];
  for (const list of ['address-pools', 'bfd-profiles'] as const) {
    const seen = new Set<string>();
    (config[list] ?? []).forEach(({ name }, index) => {
      const path = `${list}[${index}].name`;
      if (name === '') faults.push({ path, message: 'name is empty; give it one' });
      else if (seen.has(name)) {
        faults.push({ path, message: `${quote(name)} is defined twice; rename or remove one` });
      }
      seen.add(name);
    });
  }
  return faults;
}

/** Of a pool that is not announced by BGP they would be forgotten without a word. */
function strays(config: LegacyConfig): readonly Fault[] {
  const path = (index: number): string => `address-pools[${index}].bgp-advertisements`;
  return (config['address-pools'] ?? []).flatMap((pool, index) => {
    const isStray = pool.protocol === 'layer2' && (pool['bgp-advertisements'] ?? []).length > 0;
    const message = 'bgp-advertisements are for protocol bgp, but this pool has protocol layer2';
    return isStray ? [{ path: path(index), message }] : [];
  });
}

/** What the objects mean is judged here, so that a fault has the name and line of its field. */
function faultsOf(made: readonly Made[]): readonly Fault[] {
  const of = ({ kind }: Resource): readonly KubeObject[] =>
    made.map(({ object }) => object).filter((object) => object.kind === kind);
  const parsed = parse({ pools: of(IP_ADDRESS_POOL), advertisements: of(L2_ADVERTISEMENT) });
  if (parsed.ok) return [];
  return parsed.error.slice(0, MOST_FAULTS).map(({ resource, key, path, message }) => {
    const maker = made.find(
      ({ object: { kind, metadata } }) =>
        kind === resource.kind && key === `${metadata.namespace}/${metadata.name}`,
    );
    return { path: maker?.field(path) ?? '', message };
  });
}

function madeOf(config: LegacyConfig, metadata: Omit<Meta, 'name'>): readonly Made[] {
  const counts = new Map<string, number>();
  const add = (resource: Resource, name: string | undefined, spec: object, from: Path): Made => {
    const count = (counts.get(resource.kind) ?? 0) + 1;
    counts.set(resource.kind, count);
    const { apiVersion, kind } = resource;
    const named = { ...metadata, name: name ?? `${kind.toLowerCase()}${count}` };
    const object = { apiVersion, kind, metadata: named, spec: withoutGaps(spec) } as KubeObject;
    return { object, field: (path) => pathText([...from, ...fieldOf(path)]) };
  };
  const made: Made[] = [];
  (config.peers ?? []).forEach((peer, index) => {
    made.push(add(BGP_PEER, `peer${index + 1}`, peerSpec(peer), ['peers', index]));
  });
  (config['address-pools'] ?? []).forEach((pool, index) => {
    const from = ['address-pools', index];
    made.push(add(IP_ADDRESS_POOL, pool.name, poolSpec(pool), from));
    const spec = { ipAddressPools: [pool.name] };
    if (pool.protocol === 'layer2') made.push(add(L2_ADVERTISEMENT, undefined, spec, from));
    else {
      advertisementSpecs(pool).forEach((more, at) => {
        const path = [...from, 'bgp-advertisements', at];
        made.push(add(BGP_ADVERTISEMENT, undefined, { ...spec, ...more }, path));
      });
    }
  });
  (config['bfd-profiles'] ?? []).forEach(({ name, ...profile }, index) => {
    made.push(add(BFD_PROFILE, name, camelCased(profile), ['bfd-profiles', index]));
  });
  const communities = Object.entries(config['bgp-communities'] ?? {});
  if (communities.length > 0) {
    const list = communities.map(([name, value]) => ({ name, value }));
    const { object } = add(COMMUNITY, 'communities', { communities: list }, []);
    const field = (path: string): string => {
      const index = pathSteps(path)[2];
      return pathText(['bgp-communities', communities[Number(index)]?.[0] ?? '']);
    };
    made.push({ object, field });
  }
  return made;
}

function poolSpec(pool: LegacyPool): object {
  return {
    addresses: pool.addresses,
    autoAssign: pool['auto-assign'],
    avoidBuggyIPs: pool['avoid-buggy-ips'],
  };
}

/** Without any, a pool is announced as it is. */
function advertisementSpecs(pool: LegacyPool): readonly object[] {
  const listed = pool['bgp-advertisements'] ?? [];
  if (listed.length === 0) return [{}];
  return listed.map(({ localpref, ...rest }) =>
    Object.assign(camelCased(rest), { localPref: localpref }),
  );
}

function peerSpec(peer: LegacyPeer): object {
  return {
    myASN: peer['my-asn'],
    peerASN: peer['peer-asn'],
    peerAddress: peer['peer-address'],
    sourceAddress: peer['source-address'],
    peerPort: peer['peer-port'] === 0 ? undefined : peer['peer-port'],
    holdTime: peer['hold-time'],
    keepaliveTime: peer['keepalive-time'],
    routerID: peer['router-id'],
    nodeSelectors: peer['node-selectors']?.map((selector) => ({
      matchLabels: selector['match-labels'],
      matchExpressions: selector['match-expressions'],
    })),
    password: peer.password,
    bfdProfile: peer['bfd-profile'],
    ebgpMultiHop: peer['ebgp-multihop'],
  };
}

/** Fields of objects that are no plain camel case of those in the text. */
const OLD_NAMES: ReadonlyMap<string, string> = new Map([
  ['localPref', 'localpref'],
  ['ebgpMultiHop', 'ebgp-multihop'],
]);

/** `spec.avoidBuggyIPs` was `avoid-buggy-ips`. */
function fieldOf(path: string): Path {
  const [section, ...steps] = pathSteps(path);
  if (section !== 'spec') return steps;
  // What an advertisement says of its pool is said by its place in the text.
  if (steps[0] === 'ipAddressPools') return [];
  return steps.map((step) => {
    if (typeof step === 'number') return step;
    const kebab = step.replaceAll(/([a-z])([A-Z])/g, '$1-$2').toLowerCase();
    return OLD_NAMES.get(step) ?? kebab;
  });
}

function camelCased(fields: object): object {
  const entries = Object.entries(fields).map(([name, value]): [string, unknown] => [
    name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(entries);
}

function withoutGaps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutGaps);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutGaps(field)]));
}
