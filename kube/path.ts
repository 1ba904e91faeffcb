/**
 * JSON paths as people write them: `spec.ports[0].port`, `metadata.labels["example.org/a"]`. One
 * notation for problems, for `place`, and for the documentation.
 */

/** Steps from the root: names of fields and indices of lists. */
export type Path = readonly PropertyKey[];

/** `spec.ports[0].port`, `metadata.labels["a/b"]`. */
export function pathText(path: Path): string {
  let joined = '';
  for (const step of path) {
    if (typeof step === 'number') joined += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(String(step))) {
      joined += joined === '' ? String(step) : `.${String(step)}`;
    } else joined += `["${String(step)}"]`;
  }
  return joined;
}

/** The steps of a path in that notation; what cannot be read ends it. */
export function pathSteps(path: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  const pattern = /\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\["([^"]*)"\]/y;
  for (let match = pattern.exec(path); match !== null; match = pattern.exec(path)) {
    const [, name, index, quoted] = match;
    steps.push(index === undefined ? (name ?? quoted ?? '') : Number(index));
  }
  return steps;
}
