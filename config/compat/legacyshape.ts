/**
 * The fields of MetalLB's configuration file up to 0.12, as its documentation and the templates of
 * kubespray and minikube have them. It was read as YAML 1.1 by Go: `yes` is true there, and a
 * number stands for its text where text is wanted; both are kept.
 */
import * as z from '../schema/checker.ts';

const YAML11: ReadonlyMap<string, boolean> = new Map([
  ['y', true],
  ['yes', true],
  ['on', true],
  ['true', true],
  ['n', false],
  ['no', false],
  ['off', false],
  ['false', false],
]);

const isScalar = (value: unknown): boolean =>
  typeof value === 'number' || typeof value === 'boolean';

const word = z.preprocess((value) => (isScalar(value) ? String(value) : value), z.string());
const flag = z.preprocess(
  (value) => (typeof value === 'string' ? (YAML11.get(value.toLowerCase()) ?? value) : value),
  z.boolean(),
);
const words = z.array(word);
const count = z.int().min(0).max(0xffffffff);

const nodeSelector = z.object({
  'match-labels': z.record(z.string(), word).optional(),
  'match-expressions': z
    .array(
      z.object({
        key: word,
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: words.optional(),
      }),
    )
    .optional(),
});

const peer = z.object({
  'my-asn': count.optional(),
  'peer-asn': count.optional(),
  'peer-address': word.optional(),
  'source-address': word.optional(),
  'peer-port': z.int().min(0).max(65535).optional(),
  'hold-time': word.optional(),
  'keepalive-time': word.optional(),
  'router-id': word.optional(),
  'node-selectors': z.array(nodeSelector).optional(),
  password: word.optional(),
  'bfd-profile': word.optional(),
  'ebgp-multihop': flag.optional(),
});

const advertisement = z.object({
  'aggregation-length': z.int().min(1).max(32).optional(),
  'aggregation-length-v6': z.int().min(1).max(128).optional(),
  localpref: count.optional(),
  communities: words.optional(),
});

const pool = z.object({
  name: word,
  protocol: z.enum(['layer2', 'bgp']),
  addresses: words,
  'auto-assign': flag.optional(),
  'avoid-buggy-ips': flag.optional(),
  'bgp-advertisements': z.array(advertisement).optional(),
});

const profile = z.object({
  name: word,
  'receive-interval': count.optional(),
  'transmit-interval': count.optional(),
  'detect-multiplier': count.optional(),
  'echo-interval': count.optional(),
  'echo-mode': flag.optional(),
  'passive-mode': flag.optional(),
  'minimum-ttl': count.optional(),
});

export const legacyShape = z.object({
  peers: z.array(peer).optional(),
  'address-pools': z.array(pool).optional(),
  'bgp-communities': z.record(z.string(), word).optional(),
  'bfd-profiles': z.array(profile).optional(),
});

export type LegacyConfig = z.output<typeof legacyShape>;
export type LegacyPool = z.output<typeof pool>;
export type LegacyPeer = z.output<typeof peer>;
