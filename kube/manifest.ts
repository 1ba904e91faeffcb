/**
 * One file of manifests becomes objects, each with the way back to its line, and problems, each
 * with `file:line` and JSON path. Several documents, `kind: List` and JSON (which is YAML) are all
 * allowed, as for `kubectl apply -f`. Kinds that the product does not read are passed over.
 */
import {
  BFD_PROFILE,
  BGP_ADVERTISEMENT,
  BGP_PEER,
  COMMUNITY,
  CONFIG_MAP,
  ENDPOINT_SLICE,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
  NAMESPACE,
  NODE,
  SERVICE,
} from './kube.ts';
import type { Resource, SourceProblem } from './kube.ts';
import { keyOf } from './objects.ts';
import type { KubeObject } from './objects.ts';
import { pathSteps } from './path.ts';
import type { Path } from './path.ts';
import { readYaml } from './yaml.ts';
import type { YamlDocument } from './yaml.ts';

export interface Manifest {
  readonly file: string;
  readonly resource: Resource;
  readonly key: string;
  readonly object: KubeObject;
  /** `file:line` of the field at that JSON path, or of its nearest parent. */
  place(path: string): string;
}

/** A problem of one kind, or of any kind where the text does not say. */
export interface ManifestProblem extends SourceProblem {
  readonly resource: Resource | undefined;
}

export interface Reading {
  readonly manifests: readonly Manifest[];
  readonly problems: readonly ManifestProblem[];
}

/** Faults of an object's shape; passed in, because the shapes live further right. */
export type Validate = (
  raw: unknown,
) => readonly { readonly path: string; readonly message: string }[];

/** Kinds that are read, with the namespace of an object that names none. */
const KINDS: readonly (readonly [Resource, string | undefined])[] = [
  [SERVICE, 'default'],
  [ENDPOINT_SLICE, 'default'],
  [NODE, undefined],
  [NAMESPACE, undefined],
  // Others than ours may be among them; whoever reads one knows its name.
  [CONFIG_MAP, 'metallb-system'],
  [IP_ADDRESS_POOL, 'metallb-system'],
  [L2_ADVERTISEMENT, 'metallb-system'],
  [BGP_ADVERTISEMENT, 'metallb-system'],
  [BGP_PEER, 'metallb-system'],
  [BFD_PROFILE, 'metallb-system'],
  [COMMUNITY, 'metallb-system'],
];

/** Of versions that differ in name only: what they say is said in the one that is read. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['metallb.io/v1beta1 BGPPeer', BGP_PEER.apiVersion],
]);

/** Of one object: each becomes a line in the log, and one slip may make thousands of them. */
const MOST_FAULTS = 20;

/** `file` is how the user would call it: it begins every place. */
export function readManifests(file: string, text: string, validate: Validate): Reading {
  const { documents, faults } = readYaml(text);
  if (faults.length > 0) {
    // One slip can swallow the documents after it, so none of the file is believed.
    const problems = faults.map(({ line, message }) => ({
      resource: undefined,
      place: `${file}:${line}`,
      path: '',
      message: `not valid YAML: ${message}`,
    }));
    return { manifests: [], problems };
  }
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  documents.forEach((document, index) => {
    for (const item of itemsOf(document)) {
      readItem({ file, text, index, document, validate }, item, manifests, problems);
    }
  });
  return { manifests, problems };
}

interface Item {
  /** Where in the document the object begins. */
  readonly prefix: Path;
  readonly value: unknown;
}

function itemsOf(document: YamlDocument): readonly Item[] {
  const value = withoutNulls(document.value);
  if (value === null) return [];
  const { apiVersion, kind, items } = value as Record<string, unknown>;
  if (apiVersion !== 'v1' || kind !== 'List' || !Array.isArray(items)) {
    return [{ prefix: [], value }];
  }
  return items.map((item: unknown, index) => ({ prefix: ['items', index], value: item }));
}

interface Place {
  readonly file: string;
  readonly text: string;
  readonly index: number;
  readonly document: YamlDocument;
  readonly validate: Validate;
}

function readItem(
  { file, text, index, document, validate }: Place,
  { prefix, value }: Item,
  manifests: Manifest[],
  problems: ManifestProblem[],
): void {
  const { apiVersion, kind } = (value ?? {}) as { apiVersion?: unknown; kind?: unknown };
  const known = KINDS.find(([resource]) => resource.kind === kind);
  if (known === undefined && typeof kind === 'string' && typeof apiVersion === 'string') return;
  const report = (path: string, message: string): void => {
    const line = document.lineOf([...prefix, ...pathSteps(path)]);
    problems.push({ resource: known?.[0], place: `${file}:${line}`, path, message });
  };
  if (known !== undefined && typeof apiVersion === 'string') {
    const [wanted] = known;
    const isSynonym = SYNONYMS.get(`${apiVersion} ${wanted.kind}`) === wanted.apiVersion;
    if (apiVersion !== wanted.apiVersion && !isSynonym) {
      // Kinds of the same name exist in other groups; those of ours in old versions do not count.
      if (groupOf(apiVersion) !== groupOf(wanted.apiVersion)) return;
      report('apiVersion', `${wanted.kind} is read as ${wanted.apiVersion}, not ${apiVersion}`);
      return;
    }
  }
  const faults = validate(value).slice(0, MOST_FAULTS);
  for (const fault of faults) report(fault.path, fault.message);
  if (faults.length > 0 || known === undefined) return;
  const [resource, namespace] = known;
  const { apiVersion: version } = resource;
  const object = inNamespace({ ...(value as KubeObject), apiVersion: version }, namespace);
  manifests.push({
    file,
    resource,
    key: keyOf(object),
    object,
    // The text is kept and read again: lines are asked for rarely, and a syntax tree is large.
    place: (path) => {
      const again = readYaml(text).documents[index];
      return `${file}:${again?.lineOf([...prefix, ...pathSteps(path)]) ?? 1}`;
    },
  });
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

function inNamespace(object: KubeObject, fallback: string | undefined): KubeObject {
  const { namespace, ...rest } = object.metadata;
  if (fallback === undefined) return { ...object, metadata: rest };
  return { ...object, metadata: { ...rest, namespace: namespace ?? fallback } };
}

/** Kubernetes takes a null field for an absent one. Entries of lists keep their positions. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutNulls(field)]));
}
