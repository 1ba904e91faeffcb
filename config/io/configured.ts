/**
 * Where the configuration comes from: objects, or the one ConfigMap of MetalLB up to 0.12 that
 * `--config` names. Everything else comes from the source either way.
 */
import type { Source } from '../../kube/io/source.ts';
import type { Kube } from '../../kube/kube.ts';
import { withConfigMap } from '../compat/configmap.ts';

/** Of MetalLB's objects, where the source does not say. */
const NAMESPACE = 'metallb-system';

export function configured({ kube, namespace }: Source, flags: { readonly config: string }): Kube {
  if (flags.config === '') return kube;
  return withConfigMap(kube, namespace ?? NAMESPACE, flags.config);
}
