/**
 * Where kinds and objects live at an API server. The plural of a kind is computed, not discovered:
 * the kinds are few, known, and regular, and discovery would be one more thing that can fail.
 */
import type { Resource } from './kube.ts';

/** All objects of a kind, or those of one namespace. */
export function collectionPath(resource: Resource, namespace: string | undefined): string {
  const { apiVersion, kind } = resource;
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${within}/${pluralOf(kind)}`;
}

/** The word in paths, rights and the names of CRDs. */
export function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}

/** One object, or a part of it such as `status`. */
export function objectPath(resource: Resource, key: string, subresource?: string): string {
  const slash = key.indexOf('/');
  const namespace = slash < 0 ? undefined : key.slice(0, slash);
  const object = `${collectionPath(resource, namespace)}/${key.slice(slash + 1)}`;
  return subresource === undefined ? object : `${object}/${subresource}`;
}

/** Of the API group; empty for the core. */
export function groupOf(resource: Resource): string {
  const slash = resource.apiVersion.indexOf('/');
  return slash < 0 ? '' : resource.apiVersion.slice(0, slash);
}
