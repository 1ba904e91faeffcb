/**
 * Writes `deploy/crds/*.yaml` and `docs/crds.md` from config/schema.ts, the one source of the
 * shapes; `--check` writes nothing and fails when a file is stale, for CI. Names, printer columns
 * and the status subresource are MetalLB's, so that either product's CRDs serve both.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { crdSchemas } from '../config/schema.ts';
import type { CrdKind, JsonSchema, Parts } from '../config/schema.ts';
import { writeYaml } from '../kube/yaml.ts';

interface Column {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

interface Kind {
  readonly kind: CrdKind;
  readonly about: string;
  readonly specNeeded: boolean;
  readonly columns: readonly Column[];
  readonly example: string;
}

const KINDS: readonly Kind[] = [
  {
    kind: 'IPAddressPool',
    about: 'A set of addresses that Services of type LoadBalancer may get.',
    specNeeded: true,
    columns: [
      { name: 'Auto Assign', type: 'boolean', jsonPath: '.spec.autoAssign' },
      { name: 'Avoid Buggy IPs', type: 'boolean', jsonPath: '.spec.avoidBuggyIPs' },
      { name: 'Addresses', type: 'string', jsonPath: '.spec.addresses' },
    ],
    example: `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: { name: lan, namespace: metallb-system }
spec:
  addresses: [192.0.2.240-192.0.2.249, "2001:db8::240/124"]`,
  },
  {
    kind: 'L2Advertisement',
    about: 'Which pools are answered for by ARP and NDP, and from which nodes and interfaces.',
    specNeeded: false,
    columns: [
      { name: 'IPAddressPools', type: 'string', jsonPath: '.spec.ipAddressPools' },
      {
        name: 'IPAddressPool Selectors',
        type: 'string',
        jsonPath: '.spec.ipAddressPoolSelectors',
      },
      { name: 'Interfaces', type: 'string', jsonPath: '.spec.interfaces' },
      { name: 'Node Selectors', type: 'string', jsonPath: '.spec.nodeSelectors', priority: 10 },
    ],
    example: `apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: { name: lan, namespace: metallb-system }
spec:
  ipAddressPools: [lan]
  interfaces: [eth0]`,
  },
  {
    kind: 'ServiceL2Status',
    about: 'Which node announces a Service. Written by speakers, for people to read.',
    specNeeded: false,
    columns: [
      { name: 'Allocated Node', type: 'string', jsonPath: '.status.node' },
      { name: 'Service Name', type: 'string', jsonPath: '.status.serviceName' },
      { name: 'Service Namespace', type: 'string', jsonPath: '.status.serviceNamespace' },
    ],
    example: `apiVersion: metallb.io/v1beta1
kind: ServiceL2Status
metadata: { name: l2-0f4c3b1a9d2e, namespace: metallb-system }
status:
  node: node1
  serviceName: web
  serviceNamespace: default
  interfaces: [{ name: eth0 }]`,
  },
];

const pluralOf = (kind: string): string =>
  kind.endsWith('s') ? `${kind.toLowerCase()}es` : `${kind.toLowerCase()}s`;

function crd({ kind, about, specNeeded, columns }: Kind, { spec, status }: Parts): unknown {
  const singular = kind.toLowerCase();
  const plural = pluralOf(kind);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.metallb.io` },
    spec: {
      group: 'metallb.io',
      names: { kind, listKind: `${kind}List`, plural, singular },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1beta1',
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              description: about,
              type: 'object',
              ...(specNeeded ? { required: ['spec'] } : {}),
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec,
                status,
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  };
}

function page(): string {
  const schemas = crdSchemas();
  const parts = KINDS.map((kind) => {
    const { spec, status } = schemas[kind.kind];
    return [
      `## ${kind.kind}`,
      '',
      `${kind.about} \`metallb.io/v1beta1\`, namespaced.`,
      '',
      '```yaml',
      kind.example,
      '```',
      '',
      '| field | type | default | meaning |',
      '|---|---|---|---|',
      ...rows('spec', spec, kind.specNeeded),
      ...rows('status', status, false),
      '',
    ].join('\n');
  });
  const head = [
    '# Custom resources',
    '',
    'Generated from `config/schema.ts` by `npm run generate`; do not edit. Group, names and',
    'defaults are those of MetalLB, so its objects are read unchanged.',
    '',
    '',
  ].join('\n');
  return `${head}${parts.join('\n')}`;
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

function bounds({ minimum, maximum }: JsonSchema): string {
  return minimum === undefined ? '' : ` From ${minimum} to ${String(maximum)}.`;
}

const root = new URL('../', import.meta.url);
const stale: string[] = [];

function emit(path: string, text: string): void {
  const file = new URL(path, root);
  const same = existsSync(file) && readFileSync(file, 'utf8') === text;
  if (same) return;
  if (process.argv.includes('--check')) {
    stale.push(path);
    return;
  }
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, text);
}

const schemas = crdSchemas();
for (const kind of KINDS) {
  emit(`deploy/crds/${pluralOf(kind.kind)}.yaml`, writeYaml(crd(kind, schemas[kind.kind])));
}
emit('docs/crds.md', page());
if (stale.length > 0) {
  process.stderr.write(`stale: ${stale.join(', ')}; run: npm run generate\n`);
  process.exitCode = 1;
}
