/**
 * What is wrong with an object, said so that a person can mend it: which object, which field, one
 * plain sentence. Problems are collected, never thrown: a user wants all of them at once.
 */
import type { Resource } from '../kube/kube.ts';

export interface Problem {
  readonly resource: Resource;
  /** `namespace/name`, or `name` for cluster-scoped objects. */
  readonly key: string;
  /** JSON path inside the object, such as `spec.addresses[1]`. */
  readonly path: string;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
}

/** All of it, where there is no file to point into. */
export function problemLine({ resource, key, path, message }: Problem): string {
  return `${resource.kind} ${key}: ${path}: ${message}`;
}
