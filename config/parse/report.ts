/** Reading objects of one kind, with a way to say what is wrong with each. */
import { quote } from '../../lib/quote.ts';
import type { Resource } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { Problem } from '../problem.ts';
import { check } from '../schema.ts';

/** Says what is wrong at that path of the object it was made for. */
export type Report = (path: string, message: string) => void;

export function reporter(resource: Resource, object: KubeObject, problems: Problem[]): Report {
  const key = keyOf(object);
  return (path, message) => problems.push({ resource, key, path, message });
}

/**
 * Those that can be read at all, in the order of their keys, so that the same objects always give
 * the same configuration and the same problems; the faults of the others are reported.
 */
export function wellFormed(
  objects: readonly KubeObject[],
  resource: Resource,
  problems: Problem[],
): readonly KubeObject[] {
  const sorted = objects.toSorted((a, b) => compareText(keyOf(a), keyOf(b)));
  return sorted.filter((object) => {
    // Names in the old ConfigMap were free text, and Services ask for pools by them.
    const hasName = typeof object.metadata.name === 'string' && object.metadata.name !== '';
    const faults = check(object).filter(({ path }) => path !== 'metadata.name' || !hasName);
    const report = reporter(resource, object, problems);
    for (const fault of faults) report(fault.path, fault.message);
    return faults.length === 0;
  });
}

/** Two objects of one name would be taken for each other wherever the name is used. */
export function reportTwins(
  objects: readonly KubeObject[],
  resource: Resource,
  problems: Problem[],
): void {
  const seen = new Set<string>();
  for (const object of objects) {
    const { name } = object.metadata;
    if (seen.has(name)) {
      const message = `${resource.kind} ${quote(name)} is defined twice; rename or remove one`;
      reporter(resource, object, problems)('metadata.name', message);
    }
    seen.add(name);
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
