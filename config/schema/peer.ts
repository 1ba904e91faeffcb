/**
 * BGPPeer in both its versions, and BFDProfile: fields, defaults and bounds are MetalLB's. Of a
 * peer, v1beta1 knows the older fields only; those that both have are the same in JSON, so the API
 * server converts by exchanging the version alone (`conversion: None`).
 *
 * Where MetalLB's two BGP implementations differ in what they refuse, what either takes is taken.
 */
import * as z from './checker.ts';
import { guard, rule, selectors, text } from './field.ts';
import type { Rule } from './field.ts';

const ASN_MOST = 4_294_967_295;
const asn = z.int().max(ASN_MOST);
const ms = z.int().min(10).max(60_000);

const DURATION = '^(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$';
/** As Go writes it: `90s`, `1m30s`. */
const duration = (...rules: readonly Rule[]) =>
  text.meta(guard({ maxLength: 32, pattern: DURATION }, ...rules));

const address = text.meta(guard({ maxLength: 45 }));
/** Of a line of a router's configuration, which must stay one line. */
const word = text
  .refine((value) => !/[\n\r]/.test(value), 'it contains invalid characters: line breaks')
  .meta(
    guard(
      { maxLength: 253 },
      rule(String.raw`!self.matches('[\n\r]')`, 'contains invalid characters: line breaks'),
    ),
  );

const older = {
  myASN: asn.min(0).describe('AS number of this end.'),
  sourceAddress: address.optional().describe('Address to connect from.'),
  holdTime: duration().optional().describe('BGP hold time: 0, or at least 3s (RFC 4271).'),
  keepaliveTime: duration().optional().describe('BGP keepalive time; not above the hold time.'),
  routerID: address.optional().describe('BGP identifier to tell the peer.'),
  nodeSelectors: selectors.describe('Nodes that connect; empty: all nodes.'),
  password: word.optional().describe('Of TCP MD5 signatures (RFC 2385).'),
  bfdProfile: text.optional().describe('BFDProfile to watch the peer with, by name; empty: none.'),
  ebgpMultiHop: z.boolean().optional().describe('The peer is more than one hop away.'),
};

const isAddress = (field: string, message: string): Rule =>
  rule(`!has(self.${field}) || self.${field} == '' || isIP(self.${field})`, message, `.${field}`);

const MULTI_HOP = 'invalid ebgp-multihop parameter set for an ibgp peer';

const TIMES =
  '[has(self.holdTime) ? duration(self.holdTime).getMilliseconds() : has(self.keepaliveTime) ? ' +
  'duration(self.keepaliveTime).getMilliseconds() * 3 : 0]';

/** Hold for both versions. */
const RULES: readonly Rule[] = [
  rule('self.myASN > 0', 'missing local ASN', '.myASN'),
  rule(
    '!has(self.ebgpMultiHop) || !self.ebgpMultiHop || !has(self.peerASN) || ' +
      'self.peerASN != self.myASN',
    MULTI_HOP,
    '.ebgpMultiHop',
  ),
  isAddress('peerAddress', 'invalid BGPPeer address: not an IPv4 or IPv6 address'),
  isAddress('routerID', 'invalid router ID: not an IP address'),
  isAddress('sourceAddress', 'invalid source IP: not an IPv4 or IPv6 address'),
  rule(
    `${TIMES}.all(h, h < 1000 || h >= 3000)`,
    'invalid hold time: must be 0 or >=3s',
    '.holdTime',
  ),
  rule(
    '!has(self.holdTime) || !has(self.keepaliveTime) || ' +
      'duration(self.keepaliveTime) <= duration(self.holdTime)',
    'invalid keepaliveTime, must be lower than holdTime',
    '.keepaliveTime',
  ),
];

export const peerSpecV1beta1 = z
  .object({
    ...older,
    peerASN: asn.min(0).describe('AS number of the peer.'),
    peerAddress: address.describe('Address of the peer.'),
    peerPort: z.int().min(0).max(16_384).optional().describe('TCP port of the peer.'),
  })
  .meta(
    guard(
      {},
      ...RULES,
      rule('self.peerASN > 0', 'missing peer ASN', '.peerASN'),
      rule("self.peerAddress != ''", 'peer has no address', '.peerAddress'),
    ),
  )
  .describe('Whom to speak BGP with.');

const given = (field: string): string => `(has(self.${field}) && self.${field} != '')`;
const HAS_ASN = '(has(self.peerASN) && self.peerASN != 0)';

export const peerSpec = z
  .object({
    ...older,
    peerASN: asn.min(0).optional().describe('AS number of the peer; or `dynamicASN`.'),
    localASN: asn
      .min(1)
      .optional()
      .describe('AS number to show the peer instead of `myASN` (RFC 7705).'),
    dynamicASN: z
      .enum(['internal', 'external'])
      .optional()
      .describe('Any AS number: the own one (internal), or any other (external).'),
    peerAddress: address.optional().describe('Address of the peer; or `interface`.'),
    interface: word
      .optional()
      .describe('Interface with the peer at its other end, found by itself (unnumbered).'),
    peerPort: z.int().min(1).max(16_384).default(179).describe('TCP port of the peer.'),
    connectTime: duration(
      rule(
        'duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535',
        'connect time should be between 1 seconds to 65535',
      ),
      rule(
        'duration(self).getMilliseconds() % 1000 == 0',
        'connect time should contain a whole number of seconds',
      ),
    )
      .optional()
      .describe('How long to wait before connecting again: whole seconds, 1 to 65535.'),
    passwordSecret: z
      .object({
        name: text
          .meta(guard({ maxLength: 253 }))
          .optional()
          .describe('Name of the Secret.'),
        namespace: text.optional().describe('Its namespace.'),
      })
      .meta({ 'x-kubernetes-map-type': 'atomic' })
      .optional()
      .describe('Secret of type kubernetes.io/basic-auth with the key `password`.'),
    enableGracefulRestart: z
      .boolean()
      .meta(guard({}, rule('self == oldSelf', 'EnableGracefulRestart cannot be changed')))
      .optional()
      .describe('The peer keeps its routes while BGP restarts (RFC 4724). Cannot be changed.'),
    vrf: word.optional().describe('VRF of the node to connect in.'),
    dualStackAddressFamily: z
      .boolean()
      .default(false)
      .describe('Exchange routes of both families in one session.'),
    disableMP: z
      .boolean()
      .default(false)
      .describe('Deprecated: see `dualStackAddressFamily`. One family for each session.'),
  })
  .meta(
    guard(
      {},
      ...RULES,
      rule(
        `${HAS_ASN} || ${given('dynamicASN')}`,
        'missing peer ASN and dynamicASN: set one of them',
        '.peerASN',
      ),
      rule(
        `!${HAS_ASN} || !${given('dynamicASN')}`,
        'both peer ASN and dynamicASN specified: keep one of them',
        '.dynamicASN',
      ),
      rule(
        `${given('peerAddress')} || ${given('interface')}`,
        'peer has no Address or Interface specified: set one of them',
        '.peerAddress',
      ),
      rule(
        `!${given('peerAddress')} || !${given('interface')}`,
        'peer has both Address and Interface specified: keep one of them',
        '.interface',
      ),
      rule(
        `!${given('password')} || !has(self.passwordSecret) || ` +
          "!has(self.passwordSecret.name) || self.passwordSecret.name == ''",
        'can not have both password and secret ref set in peer config',
        '.passwordSecret',
      ),
    ),
  )
  .describe('Whom to speak BGP with.');

export const bfdProfileSpec = z
  .object({
    receiveInterval: ms.optional().describe('Least time between packets that come, in ms.'),
    transmitInterval: ms.optional().describe('Least time between packets that go, in ms.'),
    detectMultiplier: z
      .int()
      .min(2)
      .max(255)
      .optional()
      .describe('So many packets missing in a row mean that the peer is gone.'),
    echoInterval: ms.optional().describe('Least time between echo packets, in ms.'),
    echoMode: z.boolean().optional().describe('Send echo packets; not over several hops.'),
    passiveMode: z.boolean().optional().describe('Wait for the first packet of the peer.'),
    minimumTtl: z
      .int()
      .min(1)
      .max(254)
      .optional()
      .describe('Over several hops: least TTL of a packet that counts.'),
  })
  .describe("How fast the loss of a BGP peer is noticed (RFC 5880); what is not set is FRR's.");
