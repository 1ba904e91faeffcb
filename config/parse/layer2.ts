/** L2Advertisements. */
import { L2_ADVERTISEMENT } from '../../kube/kube.ts';
import type { LabelSelector } from '../../kube/objects.ts';
import type { L2Ad } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { L2Advertisement } from '../schema.ts';
import type { Pools } from './pools.ts';
import { reporter, wellFormed } from './report.ts';
import type { Report } from './report.ts';
import { poolsMeant, reportSelector, selectorsOf } from './selectors.ts';
import type { Sources } from './sources.ts';

export function parseLayer2(
  { advertisements }: Sources,
  pools: Pools,
  problems: Problem[],
): readonly L2Ad[] {
  const objects = wellFormed(
    advertisements,
    L2_ADVERTISEMENT,
    problems,
  ) as readonly L2Advertisement[];
  return objects.map((object) =>
    advertisementOf(object, pools, reporter(L2_ADVERTISEMENT, object, problems)),
  );
}

function advertisementOf(object: L2Advertisement, { objects }: Pools, report: Report): L2Ad {
  const spec = object.spec ?? {};
  const preferredNodes = (spec.preferredNodeSelectors ?? []).map(({ weight, preference }) => ({
    weight,
    preference: preference as LabelSelector,
  }));
  const pools = poolsMeant(spec, objects, report);
  const nodeSelectors = selectorsOf(spec.nodeSelectors, 'spec.nodeSelectors', report);
  const serviceSelectors = selectorsOf(spec.serviceSelectors, 'spec.serviceSelectors', report);
  preferredNodes.forEach(({ preference }, index) => {
    reportSelector(preference, `spec.preferredNodeSelectors[${index}].preference`, report);
  });
  return {
    name: object.metadata.name,
    pools,
    nodeSelectors,
    preferredNodes,
    serviceSelectors,
    interfaces: spec.interfaces ?? [],
  };
}
