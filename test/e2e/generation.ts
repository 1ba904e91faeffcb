/**
 * Three MetalLBs as they are installed, in our own words: rights, workloads' command lines and
 * environments, kinds and webhooks of kubespray 2.18 and minikube (0.9-0.12), of kubespray's master
 * (0.13.9) and of MetalLB 0.16's manifests. Rights are exactly what those give, for a program that
 * needs more must fail here.
 */
import { Authority } from '../../lab/kube/certificate.ts';
import { SYSTEM } from './installation.ts';

export interface Generation {
  /** Everything but the programs. */
  readonly objects: readonly object[];
  readonly controller: Workload;
  readonly speaker: Workload;
  readonly probe: 'metrics' | 'health';
  /** How the speaker gets the key: in its environment, or in a folder. */
  readonly key: 'METALLB_ML_SECRET_KEY' | 'METALLB_ML_SECRET_KEY_PATH';
  readonly webhooks?: {
    readonly service: string;
    readonly secret: string;
    /** CRDs that are converted. */
    readonly converted: readonly string[];
  };
}

export interface Workload {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Where the speaker runs. */
export const NODE = { name: 'worker', ip: '192.168.100.1' };
export const RANGE = '192.168.100.240-192.168.100.249';
const READ = ['get', 'list', 'watch'];
const ALL = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const V1BETA1 = ['bfdprofiles', 'bgpadvertisements', 'communities', 'ipaddresspools'];
const KINDS = [...V1BETA1, 'l2advertisements', 'bgppeers'];

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const rule = (group: string, resources: string[], verbs: string[], names?: string[]): Rule => ({
  apiGroups: [group],
  resources,
  verbs,
  ...(names === undefined ? {} : { resourceNames: names }),
});

/** A role and its binding. */
function grant(name: string, accounts: readonly string[], rules: readonly object[], wide = false) {
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const metadata = wide ? { name: `metallb-system:${name}` } : { name, namespace: SYSTEM };
  const kind = wide ? 'ClusterRole' : 'Role';
  const subjects = accounts.map((account) => {
    return { kind: 'ServiceAccount', name: account, namespace: SYSTEM };
  });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind, name: metadata.name };
  return [
    { apiVersion, kind, metadata, rules },
    { apiVersion, kind: `${kind}Binding`, metadata, subjects, roleRef },
  ];
}

const EVENTS = rule('', ['events'], ['create', 'patch']);
const STATUS = rule('', ['services/status'], ['update']);
const SLICES = rule('discovery.k8s.io', ['endpointslices'], READ);

/** Waits for a scheduler that is not there; only what owns the Secret matters. */
const DEPLOYMENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'controller', namespace: SYSTEM },
  spec: {
    selector: { matchLabels: { app: 'metallb', component: 'controller' } },
    template: {
      metadata: { labels: { app: 'metallb', component: 'controller' } },
      spec: { containers: [{ name: 'controller', image: 'quay.io/metallb/controller' }] },
    },
  },
};

const BASE = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM } },
  ...['controller', 'speaker'].map((name) => {
    return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: SYSTEM } };
  }),
  DEPLOYMENT,
];

/** A kind whose objects are stored as they come. */
function definition(plural: string, kind: string, versions: readonly string[], webhook?: object) {
  const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.metallb.io` },
    spec: {
      group: 'metallb.io',
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === versions.length - 1,
        subresources: { status: {} },
        schema: { openAPIV3Schema: schema },
      })),
      ...(webhook === undefined ? {} : { conversion: { strategy: 'Webhook', webhook } }),
    },
  };
}

function definitions(service: string): object[] {
  const clientConfig = { service: { namespace: SYSTEM, name: service, path: '/convert' } };
  // The versions of the kind, where those of the review belong: as MetalLB has it.
  const webhook = { conversionReviewVersions: ['v1beta1', 'v1beta2'], clientConfig };
  return [
    definition('ipaddresspools', 'IPAddressPool', ['v1beta1']),
    definition('l2advertisements', 'L2Advertisement', ['v1beta1']),
    definition('bgpadvertisements', 'BGPAdvertisement', ['v1beta1']),
    definition('bgppeers', 'BGPPeer', ['v1beta1', 'v1beta2'], webhook),
    definition('bfdprofiles', 'BFDProfile', ['v1beta1']),
    definition('communities', 'Community', ['v1beta1']),
  ];
}

/** Service, its only endpoint (the controller, beside the API server), Secret, configuration. */
function webhookObjects(service: string, secret: string, kinds: readonly string[]): object[] {
  const metadata = { name: service, namespace: SYSTEM };
  const hook = (plural: string, version: string, operations: readonly string[]): object => {
    const singular = plural.replace('ities', 'ity').replace(/s$/, '');
    const path = `/validate-metallb-io-${version}-${singular}`;
    return {
      name: `${singular}validationwebhook.metallb.io`,
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Fail',
      clientConfig: { service: { name: service, namespace: SYSTEM, path } },
      rules: [
        { apiGroups: ['metallb.io'], apiVersions: [version], operations, resources: [plural] },
      ],
    };
  };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { ports: [{ name: 'https', port: 443, targetPort: 9443 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ports: [{ name: 'https', port: 9443 }],
      endpoints: [{ addresses: ['192.168.100.10'] }],
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: secret, namespace: SYSTEM } },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'metallb-webhook-configuration' },
      webhooks: kinds.map((plural) => {
        const operations = ['CREATE', plural === 'bfdprofiles' ? 'DELETE' : 'UPDATE'];
        return hook(plural, plural === 'bgppeers' ? 'v1beta2' : 'v1beta1', operations);
      }),
    },
  ];
}

const DEFINITIONS = [...KINDS, 'addresspools'].map((plural) => `${plural}.metallb.io`);

/** From 0.13 on. */
const WEBHOOK_RULES = [
  rule('admissionregistration.k8s.io', ['validatingwebhookconfigurations'], ALL, [
    'metallb-webhook-configuration',
  ]),
  rule('admissionregistration.k8s.io', ['validatingwebhookconfigurations'], ['list', 'watch']),
  rule('apiextensions.k8s.io', ['customresourcedefinitions'], ALL, DEFINITIONS),
  rule('apiextensions.k8s.io', ['customresourcedefinitions'], ['list', 'watch']),
];

const LEGACY_CONFIG = [
  'address-pools:',
  '- name: loadbalanced',
  '  protocol: layer2',
  '  addresses:',
  `  - ${RANGE}`,
  '  auto-assign: true',
  '',
].join('\n');

const CONTROLLER_ENV = {
  METALLB_ML_SECRET_NAME: 'memberlist',
  METALLB_DEPLOYMENT: 'controller',
};
const SPEAKER_ENV = {
  METALLB_NODE_NAME: NODE.name,
  METALLB_HOST: NODE.ip,
  METALLB_ML_BIND_ADDR: NODE.ip,
  METALLB_ML_BIND_PORT: '7946',
  METALLB_ML_LABELS: 'app=metallb,component=speaker',
};

export const CONFIGMAP: Generation = {
  objects: [
    ...BASE,
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'config', namespace: SYSTEM },
      data: { config: LEGACY_CONFIG },
    },
    ...grant('controller', ['controller'], [rule('', ['services'], READ), STATUS, EVENTS], true),
    ...grant(
      'speaker',
      ['speaker'],
      [rule('', ['services', 'endpoints', 'nodes'], READ), SLICES, EVENTS],
      true,
    ),
    ...grant('config-watcher', ['controller', 'speaker'], [rule('', ['configmaps'], READ)]),
    ...grant('pod-lister', ['speaker'], [rule('', ['pods'], ['list'])]),
    ...grant(
      'controller',
      ['controller'],
      [
        rule('', ['secrets'], ['create']),
        rule('', ['secrets'], ['list'], ['memberlist']),
        rule('apps', ['deployments'], ['get'], ['controller']),
      ],
    ),
  ],
  controller: {
    args: ['--port=7472', '--config=config'],
    env: { ...CONTROLLER_ENV, METALLB_ML_NAMESPACE: SYSTEM },
  },
  speaker: {
    args: ['--port=7472', '--config=config'],
    env: { ...SPEAKER_ENV, METALLB_ML_NAMESPACE: SYSTEM },
  },
  probe: 'metrics',
  key: 'METALLB_ML_SECRET_KEY',
};

export const KUBESPRAY: Generation = {
  objects: [
    ...BASE,
    ...definitions('webhook-service'),
    definition('addresspools', 'AddressPool', ['v1alpha1', 'v1beta1'], {
      conversionReviewVersions: ['v1alpha1', 'v1beta1'],
      clientConfig: {
        service: { namespace: SYSTEM, name: 'webhook-service', path: '/convert' },
        // As kubespray renders it: of an authority that is no more.
        caBundle: Buffer.from(new Authority('former').certificate).toString('base64'),
      },
    }),
    ...webhookObjects('webhook-service', 'webhook-server-cert', [...KINDS, 'addresspools']),
    ...grant(
      'controller',
      ['controller'],
      [rule('', ['services', 'namespaces'], READ), STATUS, EVENTS, ...WEBHOOK_RULES],
      true,
    ),
    ...grant(
      'speaker',
      ['speaker'],
      [rule('', ['services', 'endpoints', 'nodes', 'namespaces'], READ), SLICES, EVENTS],
      true,
    ),
    ...grant(
      'pod-lister',
      ['controller', 'speaker'],
      [
        rule('', ['pods'], ['list']),
        rule('', ['secrets', 'configmaps'], READ),
        rule('metallb.io', [...KINDS, 'addresspools'], READ),
      ],
    ),
    ...grant(
      'controller',
      ['controller'],
      [
        rule('', ['secrets'], ALL),
        rule('', ['secrets'], ['list'], ['memberlist']),
        rule('apps', ['deployments'], ['get'], ['controller']),
        rule('metallb.io', [...KINDS, 'addresspools'], READ),
      ],
    ),
  ],
  controller: { args: ['--port=7472', '--log-level=info'], env: CONTROLLER_ENV },
  speaker: { args: ['--port=7472', '--log-level=info'], env: SPEAKER_ENV },
  probe: 'metrics',
  key: 'METALLB_ML_SECRET_KEY',
  webhooks: {
    service: 'webhook-service',
    secret: 'webhook-server-cert',
    converted: ['bgppeers', 'addresspools'],
  },
};

const STATES = ['configurationstates', 'configurationstates/status'];
const L2_STATES = ['servicel2statuses', 'servicel2statuses/status'];

export const MANIFEST: Generation = {
  objects: [
    ...BASE,
    ...definitions('metallb-webhook-service'),
    definition('servicel2statuses', 'ServiceL2Status', ['v1beta1']),
    definition('servicebgpstatuses', 'ServiceBGPStatus', ['v1beta1']),
    definition('configurationstates', 'ConfigurationState', ['v1beta1']),
    ...webhookObjects('metallb-webhook-service', 'metallb-webhook-cert', KINDS),
    ...grant(
      'controller',
      ['controller'],
      [
        rule('', ['services', 'namespaces'], READ),
        rule('', ['nodes'], ['list']),
        STATUS,
        EVENTS,
        ...WEBHOOK_RULES,
        rule('metallb.io', STATES, ALL),
        rule('authentication.k8s.io', ['tokenreviews'], ['create']),
        rule('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
      ],
      true,
    ),
    ...grant(
      'speaker',
      ['speaker'],
      [
        rule('', ['services', 'endpoints', 'nodes', 'namespaces'], READ),
        SLICES,
        EVENTS,
        rule('metallb.io', [...STATES, ...L2_STATES], ALL),
        rule('authentication.k8s.io', ['tokenreviews'], ['create']),
        rule('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
      ],
      true,
    ),
    ...grant(
      'pod-lister',
      ['controller', 'speaker'],
      [
        rule('', ['pods'], ['list', 'get']),
        rule('', ['secrets', 'configmaps'], READ),
        rule('metallb.io', KINDS, READ),
        rule('metallb.io', ['servicebgpstatuses', 'servicebgpstatuses/status'], ALL),
      ],
    ),
    ...grant(
      'controller',
      ['controller'],
      [
        rule('', ['secrets'], ALL),
        rule('', ['secrets'], ['list'], ['memberlist']),
        rule('apps', ['deployments'], ['get'], ['controller']),
        rule('metallb.io', KINDS, READ),
        rule('metallb.io', ['ipaddresspools/status'], ['update']),
      ],
    ),
  ],
  controller: {
    args: ['--port=9120', '--log-level=info', '--tls-min-version=VersionTLS13'],
    env: {
      ...CONTROLLER_ENV,
      METALLB_POD_NAME: 'controller-0',
      METALLB_NAMESPACE: SYSTEM,
      METALLB_BGP_TYPE: 'native',
    },
  },
  speaker: {
    args: ['--port=9120', '--log-level=info', '--tls-min-version=VersionTLS13'],
    env: { ...SPEAKER_ENV, METALLB_POD_NAME: 'speaker-0', METALLB_NAMESPACE: SYSTEM },
  },
  probe: 'health',
  key: 'METALLB_ML_SECRET_KEY_PATH',
  webhooks: {
    service: 'metallb-webhook-service',
    secret: 'metallb-webhook-cert',
    converted: ['bgppeers'],
  },
};
