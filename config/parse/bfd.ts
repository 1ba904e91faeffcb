/** BFDProfiles. Bounds of the numbers are the schema's matter. */
import { BFD_PROFILE } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { BfdProfile } from '../bgp.ts';
import type { Problem } from '../problem.ts';
import type { BFDProfile } from '../schema.ts';
import { reportTwins, wellFormed } from './report.ts';

export function parseBfdProfiles(
  present: readonly KubeObject[],
  problems: Problem[],
): ReadonlyMap<string, BfdProfile> {
  const objects = wellFormed(present, BFD_PROFILE, problems) as readonly BFDProfile[];
  reportTwins(objects, BFD_PROFILE, problems);
  return new Map(objects.map((object) => [object.metadata.name, profileOf(object)]));
}

function profileOf({ metadata, spec = {} }: BFDProfile): BfdProfile {
  return {
    name: metadata.name,
    receiveInterval: spec.receiveInterval,
    transmitInterval: spec.transmitInterval,
    echoInterval: spec.echoInterval,
    detectMultiplier: spec.detectMultiplier,
    minimumTtl: spec.minimumTtl,
    echoMode: spec.echoMode ?? false,
    passiveMode: spec.passiveMode ?? false,
  };
}
