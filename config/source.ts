/** Where a program finds its objects: flags that both programs have. */
import type { FlagSpec } from './flags.ts';

export const SOURCE_FLAGS = {
  manifests: {
    kind: 'text',
    default: '',
    hint: 'DIR',
    help: 'directory of manifests to follow, instead of an API server',
  },
  kubeconfig: {
    kind: 'text',
    default: '',
    hint: 'FILE',
    help: "how to reach the API server; in a pod the pod's service account is the default",
  },
  namespace: {
    kind: 'text',
    default: '',
    hint: 'NAME',
    help: "of pools and advertisements (default METALLB_NAMESPACE, the pod's, metallb-system)",
  },
  config: {
    kind: 'text',
    default: '',
    hint: 'NAME',
    help: 'ConfigMap with pools and peers, as MetalLB up to 0.12 has it; instead of objects',
  },
} as const satisfies FlagSpec;
