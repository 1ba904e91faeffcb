/**
 * What the programs write about an object that a user wrote: its status and their annotations, in
 * a file of their own (`status/<kind>.<namespace>.<name>.yaml`), laid over the object when read.
 * Objects that the programs create are files there too, with `own.` before the same name.
 */
import type { Resource } from './kube.ts';
import { withoutNulls } from './manifest.ts';
import type { Validate } from './manifest.ts';
import { keyOf } from './objects.ts';
import type { KubeObject } from './objects.ts';
import { readYaml, writeYaml } from './yaml.ts';

export interface Overlay {
  /** undefined: the manifest's own status, if any, is in force. */
  readonly status: unknown;
  /** null hides an annotation of the manifest. */
  readonly annotations: Readonly<Record<string, string | null>>;
}

/** An overlay, and whose it is. */
export interface StatusFile {
  readonly resource: Resource;
  readonly key: string;
  readonly overlay: Overlay;
}

export const NO_OVERLAY: Overlay = { status: undefined, annotations: {} };

/** Unambiguous: names and namespaces have no `/`, namespaces no `.`, and kinds are few. */
export function overlayName(resource: Resource, key: string): string {
  return `${resource.kind.toLowerCase()}.${key.replace('/', '.')}.yaml`;
}

const OWN = 'own.';

/** The file of an object that a program created. */
export function ownName(resource: Resource, key: string): string {
  return `${OWN}${overlayName(resource, key)}`;
}

export function isOwnName(name: string): boolean {
  return name.startsWith(OWN);
}

/** undefined: there is no whole object in the text (yet). */
export function readOwn(text: string): KubeObject | undefined {
  const { documents, faults } = readYaml(text);
  const value = documents[0]?.value as Partial<KubeObject> | null | undefined;
  const { apiVersion, kind, metadata } = value ?? {};
  const isWhole = faults.length === 0 && typeof metadata?.name === 'string';
  return isWhole && apiVersion !== undefined && kind !== undefined
    ? (value as KubeObject)
    : undefined;
}

/** undefined: not what `writeOverlay` writes, or the status has not the shape of the kind's. */
export function readOverlay(text: string, validate: Validate): StatusFile | undefined {
  const { documents, faults } = readYaml(text);
  if (faults.length > 0 || documents.length === 0) return undefined;
  const raw = documents[0]?.value;
  const value = withoutNulls(raw);
  // An overlay has no spec, nor what else its kind may have to have.
  const isOurs = (path: string): boolean => /^(?:apiVersion|kind|metadata|status|$)/.test(path);
  if (validate(value).some(({ path }) => isOurs(path))) return undefined;
  const { apiVersion, kind, metadata, status } = value as KubeObject & { status?: unknown };
  const { annotations = {} } = (raw as { metadata: Partial<Overlay> }).metadata;
  const overlay = { status, annotations: annotations ?? {} };
  return { resource: { apiVersion, kind }, key: keyOf({ metadata }), overlay };
}

export function writeOverlay(resource: Resource, key: string, overlay: Overlay): string {
  const slash = key.indexOf('/');
  const namespace = slash < 0 ? {} : { namespace: key.slice(0, slash) };
  const annotations =
    Object.keys(overlay.annotations).length === 0 ? {} : { annotations: overlay.annotations };
  return writeYaml({
    apiVersion: resource.apiVersion,
    kind: resource.kind,
    metadata: { ...namespace, name: key.slice(slash + 1), ...annotations },
    status: overlay.status,
  });
}

/** Annotations to set; undefined removes one, also one that the manifest itself has. */
export function withChanges(
  overlay: Overlay,
  status: unknown,
  changes: Readonly<Record<string, string | undefined>>,
  manifest: KubeObject,
): Overlay {
  const annotations = { ...overlay.annotations };
  for (const [key, value] of Object.entries(changes)) {
    if (value !== undefined) annotations[key] = value;
    else if (Object.hasOwn(manifest.metadata.annotations ?? {}, key)) annotations[key] = null;
    else delete annotations[key];
  }
  return { status, annotations };
}

/** The object as everybody sees it. */
export function merged(manifest: KubeObject, overlay: Overlay, version: string): KubeObject {
  const annotations: Record<string, string> = { ...manifest.metadata.annotations };
  for (const [key, value] of Object.entries(overlay.annotations)) {
    if (value === null) delete annotations[key];
    else annotations[key] = value;
  }
  const metadata = { ...manifest.metadata, resourceVersion: version };
  const object: KubeObject = {
    ...manifest,
    metadata: Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations },
  };
  return overlay.status === undefined
    ? object
    : ({ ...object, status: overlay.status } as KubeObject);
}
