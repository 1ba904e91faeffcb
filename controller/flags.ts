/** The controller's command line. */
import type { FlagSpec } from '../config/flags.ts';
import { SERVER_FLAGS } from '../config/serverflags.ts';
import { SOURCE_FLAGS } from '../config/source.ts';

export const CONTROLLER_FLAGS = {
  ...SOURCE_FLAGS,
  ...SERVER_FLAGS,
  'secret-file': {
    kind: 'text',
    default: '',
    hint: 'FILE',
    help:
      'secret of the speakers, to take their reports ' +
      '(default METALLB_ML_SECRET_KEY_PATH/secretkey)',
  },
  'ml-secret-name': {
    kind: 'text',
    default: 'memberlist',
    hint: 'NAME',
    env: ['METALLB_ML_SECRET_NAME'],
    help: 'Secret to make, with the key that the speakers share',
  },
  deployment: {
    kind: 'text',
    default: '',
    hint: 'NAME',
    env: ['METALLB_DEPLOYMENT'],
    help: "the controller's Deployment, which shall own that Secret",
  },
  'pool-overlaps': {
    kind: 'choice',
    default: 'warn',
    choices: ['warn', 'refuse', 'ignore'],
    help: 'pools with addresses of nodes, or of the ranges of Services and pods',
  },
  'webhook-mode': {
    kind: 'choice',
    default: 'enabled',
    choices: ['enabled', 'disabled', 'onlywebhook'],
    help: 'enabled: serve webhooks where a ValidatingWebhookConfiguration of MetalLB asks for them',
  },
  'webhook-port': {
    kind: 'number',
    default: 9443,
    min: 1,
    max: 65535,
    hint: 'PORT',
    help: 'where they are served',
  },
  'webhook-secret': {
    kind: 'text',
    default: '',
    hint: 'NAME',
    help: 'Secret of their certificate (default: the one of MetalLB that is there)',
  },
  'cert-service-name': {
    kind: 'text',
    default: '',
    hint: 'NAME',
    help: 'Service by which they are called (default: the one in the webhook configuration)',
  },
  'cert-dir': {
    kind: 'text',
    default: '/tmp/k8s-webhook-server/serving-certs',
    hint: 'DIR',
    help: 'tls.crt and tls.key of the webhooks, with --disable-cert-rotation',
  },
  'disable-cert-rotation': {
    kind: 'switch',
    help: 'somebody else makes the certificate of the webhooks, such as cert-manager',
  },
  'webhook-http2': { kind: 'moot', takesValue: false, help: 'webhooks are served by HTTP/1.1' },
} as const satisfies FlagSpec;
