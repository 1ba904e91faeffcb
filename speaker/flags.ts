/** The speaker's command line. */
import type { FlagSpec } from '../config/flags.ts';
import { SERVER_FLAGS } from '../config/serverflags.ts';
import { SOURCE_FLAGS } from '../config/source.ts';

/** MetalLB's memberlist port: open in the firewalls of those who come from there. */
export const PEER_PORT = 7946;

export const SPEAKER_FLAGS = {
  ...SOURCE_FLAGS,
  ...SERVER_FLAGS,
  node: {
    kind: 'text',
    default: '',
    hint: 'NAME',
    also: ['node-name'],
    help: 'name of this node, as its Node object has it (default METALLB_NODE_NAME, NODE_NAME)',
  },
  'secret-file': {
    kind: 'text',
    default: '',
    hint: 'FILE',
    also: ['ml-secret-key-path'],
    help: 'secret that all speakers share (default METALLB_ML_SECRET_KEY_PATH/secretkey)',
  },
  controller: {
    kind: 'list',
    hint: 'URL',
    help: 'where to report, such as http://192.0.2.10:7472; in a cluster its pods are found',
  },
  profile: {
    kind: 'choice',
    default: 'default',
    choices: ['fast', 'default', 'vm'],
    help: 'how soon a silent node counts as dead: 0.2 s, 0.35 s or 2.2 s',
  },
  isolation: {
    kind: 'choice',
    default: 'keep',
    choices: ['keep', 'stop'],
    help: 'whether a node that reaches no majority goes on answering',
  },
  forward: {
    kind: 'choice',
    default: 'none',
    choices: ['none', 'nftables'],
    help: 'who forwards to the endpoints: a kube-proxy (none), or one nftables table',
  },
  'data-plane': {
    kind: 'choice',
    default: 'auto',
    choices: ['auto', 'bpf', 'packet'],
    help: 'who answers: the kernel (bpf), or packet sockets; auto tries bpf first',
  },
  attach: {
    kind: 'choice',
    default: 'auto',
    choices: ['auto', 'tcx', 'clsact'],
    help: 'where the BPF responder hooks in; auto tries tcx first',
  },
  'gateway-check': {
    kind: 'choice',
    default: 'off',
    choices: ['off', 'on'],
    help: 'whether a node whose default gateway does not answer to ICMP lets others answer',
  },
  'arp-guard': {
    kind: 'choice',
    default: 'on',
    choices: ['on', 'off'],
    help: "keep the host's own ARP from speaking for addresses not held here (bpf plane only)",
  },
  probe: {
    kind: 'choice',
    default: 'optimistic',
    choices: ['optimistic', 'rfc', 'off'],
    help: 'look for another holder before an address is first announced: for 30 ms, 5 s, or not',
  },
  'peer-port': {
    kind: 'number',
    default: PEER_PORT,
    min: 1,
    max: 65535,
    hint: 'PORT',
    also: ['ml-bindport'],
    env: ['METALLB_ML_BIND_PORT'],
    help: 'UDP port of the heartbeats, the same on every node',
  },
  'exclude-interfaces': {
    kind: 'text',
    default: '',
    hint: 'FILE',
    help: 'interfaces to leave alone, as excludel2.yaml lists them (default: of /etc/metallb)',
  },
  'one-link-per-subnet': {
    kind: 'switch',
    help: 'of interfaces in one subnet only the first answers, so that neighbours learn one MAC',
  },
  'gratuitous-arp-interval': {
    kind: 'number',
    default: 90,
    min: 0,
    max: 86_400,
    hint: 'SECONDS',
    env: ['METALLB_GRATUITOUS_ARP_INTERVAL'],
    help: 'between two announcements of an address, so that switches do not forget it; 0: none',
  },
  'ignore-exclude-lb': {
    kind: 'switch',
    help: 'announce also from nodes labelled exclude-from-external-load-balancers',
  },
  'ml-wan-config': { kind: 'switch', help: 'the same as --profile=vm, unless one is given' },
  'ml-bindaddr': { kind: 'moot', takesValue: true, help: 'heartbeats use every address' },
  'ml-labels': {
    kind: 'moot',
    takesValue: true,
    help: 'the other speakers are those of the Nodes',
  },
  'disable-epslices': { kind: 'moot', takesValue: false, help: 'EndpointSlices are always read' },
  'frrk8s-namespace': { kind: 'moot', takesValue: true, help: 'there is no FRR here' },
  'frrk8s-secret-passthrough': { kind: 'moot', takesValue: false, help: 'there is no FRR here' },
  'bgp-debounce-timeout': { kind: 'moot', takesValue: true, help: 'there is no FRR here' },
} as const satisfies FlagSpec;
