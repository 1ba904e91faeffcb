/**
 * Interfaces that nothing is announced from, by name: MetalLB's `excludel2.yaml`, a ConfigMap that
 * its manifests mount. A list of regular expressions, each found anywhere in the name unless it is
 * anchored, as in Go. Without the file, the list that MetalLB ships applies (MetalLB itself then
 * excludes nothing, and announces from the bridges of containers).
 */
import { readYaml } from '../kube/yaml.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';

export const EXCLUDED_FILE = '/etc/metallb/excludel2.yaml';
const FIELD = 'announcedInterfacesToExclude';

/** The expressions' sources, or one sentence with the line. An empty list excludes nothing. */
export function parseExcluded(text: string): Result<readonly string[], string> {
  const { documents, faults } = readYaml(text);
  const fault = faults[0];
  if (fault !== undefined) return err(`line ${fault.line}: ${fault.message}`);
  const document = documents[0];
  if (document === undefined) return ok([]);
  const list = (document.value as Readonly<Record<string, unknown>> | null)?.[FIELD] ?? [];
  const line = (index?: number): number =>
    document.lineOf(index === undefined ? [FIELD] : [FIELD, index]);
  if (!Array.isArray(list)) {
    return err(`line ${line()}: ${FIELD} is not a list; write one expression a line, after "- "`);
  }
  for (const [index, source] of list.entries()) {
    const why = faultOf(source);
    if (why !== undefined) return err(`line ${line(index)}: ${why}`);
  }
  return ok(list as readonly string[]);
}

function faultOf(source: unknown): string | undefined {
  if (typeof source !== 'string')
    return `${JSON.stringify(source)} is not a name; put it in quotes`;
  try {
    void new RegExp(source);
    return undefined;
  } catch {
    return `"${source}" is not a regular expression; correct or remove it`;
  }
}
