/**
 * The reference page of our kinds, `docs/crds.md`, as text: what each is for, an example, and a
 * row for every field with type, default and bounds.
 */
import { jsonSchema } from '../config/schema/definition.ts';
import type { JsonSchema } from '../config/schema/definition.ts';
import { KINDS } from '../config/schema/kind.ts';
import type { Kind, Version } from '../config/schema/kind.ts';

export const ABOUT: Readonly<Record<string, string>> = {
  IPAddressPool: 'A set of addresses that Services of type LoadBalancer may get.',
  L2Advertisement:
    'Which pools are answered for by ARP and NDP, and from which nodes and interfaces.',
  BGPAdvertisement:
    'Which pools are told to which BGP peers. Accepted and checked; not announced yet.',
  BGPPeer: 'A router to speak BGP with. Accepted and checked; not connected to yet.',
  BFDProfile: 'How fast the loss of a BGP peer is noticed. Accepted and checked; not used yet.',
  Community: 'Names for BGP communities, used in BGPAdvertisements.',
  ServiceL2Status: 'Which node announces a Service. Written by speakers, for people to read.',
  ServiceBGPStatus: 'Which BGP peers a Service is announced to from a node, for people to read.',
  ConfigurationState:
    'Whether the controller, or the speaker of a node, can use the configuration, and why not.',
  AddressClaim:
    'An address that is taken, by a Service or for one. Written by the controller; one made by ' +
    'hand, without holders, reserves its address.',
};

const EXAMPLES: Readonly<Record<string, string>> = {
  IPAddressPool: `metadata: { name: lan, namespace: metallb-system }
spec:
  addresses: [192.0.2.240-192.0.2.249, "2001:db8::240/124"]`,
  L2Advertisement: `metadata: { name: lan, namespace: metallb-system }
spec:
  ipAddressPools: [lan]
  interfaces: [eth0]`,
  BGPAdvertisement: `metadata: { name: lan, namespace: metallb-system }
spec:
  ipAddressPools: [lan]
  communities: [64500:1]`,
  BGPPeer: `metadata: { name: router, namespace: metallb-system }
spec:
  myASN: 64500
  peerASN: 64501
  peerAddress: 192.0.2.1`,
  BFDProfile: `metadata: { name: fast, namespace: metallb-system }
spec:
  receiveInterval: 100
  transmitInterval: 100`,
  Community: `metadata: { name: names, namespace: metallb-system }
spec:
  communities: [{ name: no-export, value: "65535:65281" }]`,
  ServiceL2Status: `metadata: { name: l2-0f4c3b1a9d2e, namespace: metallb-system }
status:
  node: node1
  serviceName: web
  serviceNamespace: default
  interfaces: [{ name: eth0 }]`,
  ServiceBGPStatus: `metadata: { name: bgp-0f4c3b1a9d2e, namespace: metallb-system }
status:
  node: node1
  serviceName: web
  serviceNamespace: default
  peers: [router]`,
  ConfigurationState: `metadata: { name: speaker-node1, namespace: metallb-system }
status:
  result: Invalid
  errorSummary: 'IPAddressPool lan: spec.addresses[1] overlaps with pool old'`,
  AddressClaim: `metadata: { name: 192.0.2.240, namespace: metallb-system }
spec:
  address: 192.0.2.240
  reservedFor: { namespace: default, name: web }`,
};

const HEAD = `# Custom resources

Generated from \`config/schema\` by \`npm run generate\`; do not edit. Groups, names and defaults
are those of MetalLB, so its objects are read unchanged; AddressClaim is ours. All are namespaced,
and only those in the controller's own namespace count.

`;

export function page(): string {
  return HEAD + KINDS.map(section).join('\n');
}

function section({ kind, group, versions }: Kind): string {
  const stored = versions.at(-1) as Version;
  const older = versions
    .slice(0, -1)
    .map(({ name }) => `, and \`${name}\`, deprecated, with fewer fields`);
  return [
    `## ${kind}`,
    '',
    `${ABOUT[kind]} \`${group}/${stored.name}\`${older.join('')}.`,
    '',
    '```yaml',
    `apiVersion: ${group}/${stored.name}`,
    `kind: ${kind}`,
    EXAMPLES[kind],
    '```',
    '',
    '| field | type | default | meaning |',
    '|---|---|---|---|',
    ...part('spec', stored),
    ...part('status', stored),
    '',
  ].join('\n');
}

function part(name: 'spec' | 'status', version: Version): readonly string[] {
  const shape = version[name];
  const needed = name === 'spec' && version.specNeeded;
  return shape === undefined ? [] : rows(name, jsonSchema(shape, 'bare'), needed);
}

/** One row for each field, parents before children; lists are walked into as `path[]`. */
function rows(path: string, schema: JsonSchema, needed: boolean): readonly string[] {
  const [type, inner, suffix] = typeOf(schema);
  const value = schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
  const meaning = `${schema.description ?? ''}${bounds(inner)}`;
  const own = `| \`${path}\` | ${type} | ${needed ? 'required' : value} | ${meaning} |`;
  // A selector's inside is Kubernetes' own and the same everywhere.
  if (type.startsWith('label selector')) return [own];
  const required = inner.required ?? [];
  const children = Object.entries(inner.properties ?? {}).flatMap(([name, child]) =>
    rows(`${path}${suffix}.${name}`, child, required.includes(name)),
  );
  return [own, ...children];
}

function typeOf(schema: JsonSchema): readonly [string, JsonSchema, string] {
  if (schema.type === 'array' && schema.items !== undefined) {
    const [inner, item] = typeOf(schema.items);
    return [inner === 'text' ? 'list of text' : `${inner}, list`, item, '[]'];
  }
  if (schema.properties?.['matchLabels'] !== undefined) return ['label selector', schema, ''];
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    boolean: 'true or false',
    integer: 'whole number',
    object: 'object',
  };
  return [words[schema.type ?? ''] ?? 'any', schema, ''];
}

function bounds({ minimum, maximum, enum: choice }: JsonSchema): string {
  const choices = choice === undefined ? '' : ` One of ${choice.join(', ')}.`;
  if (minimum === undefined) return choices;
  return maximum === undefined
    ? `${choices} At least ${minimum}.`
    : `${choices} From ${minimum} to ${maximum}.`;
}
