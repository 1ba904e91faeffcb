/**
 * L2Advertisement, BGPAdvertisement and Community: fields, defaults and bounds are MetalLB's
 * (v1beta1). A community is `asn:value` (RFC 1997, 16 bits each) or `large:x:y:z` (RFC 8092, 32
 * bits each); a text without a colon is the alias of one, which may be defined later.
 */
import * as z from './checker.ts';
import { guard, names, rule, selector, selectors, text } from './field.ts';

const pools = names.describe('Pools to announce, by name; unknown names are ignored.');
const poolSelectors = selectors.describe(
  'Pools to announce, by label; united with `ipAddressPools`. With neither: all pools.',
);
const services = selectors.describe('Services to announce; empty: all Services.');

export const l2AdvertisementSpec = z
  .object({
    ipAddressPools: pools,
    ipAddressPoolSelectors: poolSelectors,
    nodeSelectors: selectors.describe('Nodes that may announce; empty: all nodes.'),
    preferredNodeSelectors: z
      .array(
        z.object({
          weight: z.int().min(1).max(100).describe('Added to the preference of a matching node.'),
          preference: selector.describe('Which nodes.'),
        }),
      )
      .optional()
      .describe('Nodes that are preferred among those that may announce.'),
    serviceSelectors: services,
    interfaces: z
      .array(text)
      .optional()
      .describe('Interfaces to announce from; empty: all usable ones.'),
  })
  .describe('Which addresses are answered for, from where. Empty: everything from everywhere.');

const upTo = (most: number): string => `.all(x, int(x) <= ${most})`;
const PARTS = "self.split(':')";

const SECTIONS = rule(
  `${PARTS}.size() != 2 || ` +
    `(self.matches('^0*[0-9]{1,5}:0*[0-9]{1,5}$') && ${PARTS}${upTo(65_535)})`,
  'invalid community value: invalid section: write asn:value, each from 0 to 65535',
);

const NUMBER = '0*[0-9]{1,10}';
const LARGE = rule(
  `${PARTS}.size() <= 2 || (self.matches('^large:${NUMBER}:${NUMBER}:${NUMBER}$') && ` +
    `${PARTS}.filter(x, x != 'large')${upTo(4_294_967_295)})`,
  'invalid community value: expected community to be of format large:asn:value1:value2, ' +
    'each from 0 to 4294967295',
);

const COMMUNITY_LENGTH = 253;

const APART = 'are mutually exclusive, both cannot be set';
const SELECTS = '!has(self.serviceSelectors) || self.serviceSelectors.size() == 0';

export const bgpAdvertisementSpec = z
  .object({
    aggregationLength: z
      .int()
      .min(1)
      .max(32)
      .default(32)
      .describe('IPv4: announce the network of this length instead of the address.'),
    aggregationLengthV6: z
      .int()
      .min(1)
      .max(128)
      .default(128)
      .describe('IPv6: announce the network of this length instead of the address.'),
    localPref: z
      .int()
      .min(0)
      .max(4_294_967_295)
      .optional()
      .describe('LOCAL_PREF, told to peers of the own AS; the highest is preferred.'),
    communities: z
      .array(text.meta(guard({ maxLength: COMMUNITY_LENGTH }, SECTIONS, LARGE)))
      .meta(guard({ maxItems: 256 }))
      .optional()
      .describe('BGP communities: `asn:value`, `large:x:y:z`, or an alias in a Community.'),
    ipAddressPools: pools,
    ipAddressPoolSelectors: poolSelectors,
    nodeSelectors: selectors.describe('Nodes that announce; empty: all nodes.'),
    peers: names.describe('BGPPeers to announce to, by name; empty: all.'),
    serviceSelectors: services,
  })
  .meta(
    guard(
      {},
      rule(
        `${SELECTS} || !has(self.aggregationLength) || self.aggregationLength == 32`,
        `serviceSelectors and aggregationLength ${APART}`,
        '.aggregationLength',
      ),
      rule(
        `${SELECTS} || !has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128`,
        `serviceSelectors and aggregationLengthV6 ${APART}`,
        '.aggregationLengthV6',
      ),
    ),
  )
  .describe('Which addresses are told to which BGP peers. Empty: everything to everybody.');

export const communitySpec = z
  .object({
    communities: z
      .array(
        z
          .object({
            name: text
              .meta(guard({ maxLength: COMMUNITY_LENGTH }))
              .optional()
              .describe('The alias that advertisements use.'),
            value: text
              .meta(guard({ maxLength: COMMUNITY_LENGTH }, SECTIONS, LARGE))
              .optional()
              .describe('`asn:value` or `large:x:y:z`.'),
          })
          .meta(
            guard(
              {},
              rule(
                "has(self.value) && self.value.contains(':')",
                'invalid community value: write asn:value or large:asn:value1:value2',
                '.value',
              ),
            ),
          ),
      )
      .meta(guard({ maxItems: 256 }))
      .optional()
      .describe('Names for BGP communities, each defined once.'),
  })
  .describe('Aliases of BGP communities.');
