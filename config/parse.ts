/**
 * Objects become one Config, or every problem they have: a user mends all of them in one go. All or
 * nothing, as in MetalLB, since half a configuration could give an address to the wrong Service;
 * but problems of BGP objects hold back only what they say, not layer 2 (docs/compat.md).
 *
 * Objects are checked for their shape here too, so that any source may feed it.
 */
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import type { Config } from './model.ts';
import { parseBgp } from './parse/bgp.ts';
import { parseLayer2 } from './parse/layer2.ts';
import { parsePools } from './parse/pools.ts';
import type { Sources } from './parse/sources.ts';
import type { Problem } from './problem.ts';

/** Order of the input does not matter. */
export function parse(sources: Sources): Result<Config, readonly Problem[]> {
  const problems: Problem[] = [];
  const pools = parsePools(sources, problems);
  const advertisements = parseLayer2(sources, pools, problems);
  const bgp = parseBgp(sources, pools);
  if (problems.length > 0) return err([...problems, ...(bgp?.problems ?? [])]);
  return ok({ pools: pools.byName, advertisements, ...(bgp && { bgp }) });
}
