/**
 * Whether two versions of an object ask for the same: its status is what we write ourselves, and
 * must not set anything going.
 */
import type { KubeObject } from './objects.ts';

export function sameWish(before: KubeObject, after: KubeObject): boolean {
  return wishOf(before) === wishOf(after);
}

function wishOf(object: KubeObject): string {
  return JSON.stringify([object.metadata.labels, (object as { spec?: unknown }).spec]);
}
