/**
 * BGP communities: the aliases that Community objects give them, and their values. The phrases
 * "invalid community value: invalid section", "expected community to be of format large" and
 * "duplicate definition of community" are MetalLB's: people and tests search for them.
 */
import { COMMUNITY } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { quote } from '../../lib/quote.ts';
import type { CommunityValue } from '../bgp.ts';
import type { Problem } from '../problem.ts';
import type { Community } from '../schema.ts';
import { reporter, wellFormed } from './report.ts';

export function parseCommunities(
  present: readonly KubeObject[],
  problems: Problem[],
): ReadonlyMap<string, CommunityValue> {
  const objects = wellFormed(present, COMMUNITY, problems) as readonly Community[];
  const values = new Map<string, CommunityValue>();
  const seen = new Set<string>();
  for (const object of objects) {
    const report = reporter(COMMUNITY, object, problems);
    (object.spec?.communities ?? []).forEach(({ name = '', value = '' }, index) => {
      const path = `spec.communities[${index}]`;
      if (name === '') report(`${path}.name`, 'the community has no name; give it one');
      else if (seen.has(name)) {
        const advice = 'rename or remove one';
        report(`${path}.name`, `duplicate definition of community ${quote(name)}; ${advice}`);
      }
      seen.add(name);
      const parsed = parseCommunity(value);
      if (parsed.ok) values.set(name, parsed.value);
      else report(`${path}.value`, parsed.error);
    });
  }
  return values;
}

/** A value, not an alias. */
export function isLiteral(community: string): boolean {
  return community.includes(':');
}

const LARGE = 'large';

export function parseCommunity(text: string): Result<CommunityValue, string> {
  const sections = text.split(':');
  const shown = quote(text);
  if (sections.length === 2) {
    const parts = numbers(sections, 0xffff);
    if (!parts.ok) return err(`${parts.error} of community ${shown}; each is 0 to 65535`);
    const [high = 0, low = 0] = parts.value;
    return ok({ kind: 'standard', parts: [high, low] });
  }
  if (sections.length === 4 && sections[0] === LARGE) {
    const parts = numbers(sections.slice(1), 0xffffffff);
    if (!parts.ok) return err(`${parts.error} of community ${shown}; each is 0 to 4294967295`);
    const [administrator = 0, first = 0, second = 0] = parts.value;
    return ok({ kind: 'large', parts: [administrator, first, second] });
  }
  return err(
    `invalid community value: ${shown}: expected community to be of format ` +
      `${LARGE}:NUMBER:NUMBER:NUMBER or NUMBER:NUMBER`,
  );
}

function numbers(sections: readonly string[], most: number): Result<readonly number[], string> {
  for (const section of sections) {
    if (/^\d{1,10}$/.test(section) && Number(section) <= most) continue;
    return err(`invalid community value: invalid section ${quote(section)}`);
  }
  return ok(sections.map(Number));
}
