/**
 * Who gets what: pools and Services as users write them, and the addresses that the Services show,
 * or the reason why they have none.
 */
import type { Wish } from './desk.ts';

export interface Case {
  readonly what: string;
  /** Created in this order: name, addresses, more of the spec. */
  readonly pools: readonly (readonly [string, readonly string[], object?])[];
  /** Created in this order, each once the one before has been seen to. */
  readonly services: readonly (readonly [string, Wish, string])[];
}

const wants = (name: string, value: string): Wish => ({ annotations: { [name]: value } });
const shares = (key: string, ...ports: readonly number[]): Wish => ({
  annotations: { 'metallb.io/allow-shared-ip': key },
  spec: { ports: ports.map((port) => ({ name: `p${port}`, port })) },
});
const apart = (more: object): object => ({ serviceAllocation: more });
const family = (ipFamilyPolicy: string): Wish => ({ spec: { ipFamilyPolicy } });

const A = ['192.0.2.0/29'];
const B = ['192.0.2.16/29'];
const C = ['192.0.2.32/29'];

export const CASES: readonly Case[] = [
  {
    what: 'pools in order of name, addresses from the lowest, ranges as declared',
    pools: [
      ['b', B],
      ['a', ['192.0.2.9-192.0.2.10', '192.0.2.4/32']],
    ],
    services: [
      ['one', {}, '192.0.2.9'],
      ['two', {}, '192.0.2.10'],
      ['three', {}, '192.0.2.4'],
      ['four', {}, '192.0.2.16'],
    ],
  },
  {
    what: 'pools set apart come first, by priority; 0 is the last of them',
    pools: [
      ['a', A],
      ['b', ['192.0.2.16/32'], apart({ priority: 20 })],
      ['c', ['192.0.2.32/32'], apart({ priority: 10 })],
      ['d', ['192.0.2.48/32'], apart({ priority: 0 })],
    ],
    services: [
      ['one', {}, '192.0.2.32'],
      ['two', {}, '192.0.2.16'],
      ['three', {}, '192.0.2.48'],
      ['four', {}, '192.0.2.0'],
    ],
  },
  {
    what: 'a pool for a namespace, by name, is for nobody else',
    pools: [['a', A, apart({ namespaces: ['team'] })]],
    services: [
      ['team/one', {}, '192.0.2.0'],
      ['one', {}, 'NoPoolFits'],
      ['two', wants('metallb.io/address-pool', 'a'), 'PoolNotForService'],
      ['three', wants('metallb.io/loadBalancerIPs', '192.0.2.5'), 'PoolNotForService'],
    ],
  },
  {
    what: 'a pool for namespaces by label; selectors that match none open it for nobody',
    pools: [
      ['a', A, apart({ namespaceSelectors: [{ matchLabels: { tier: 'gold' } }] })],
      ['b', B, apart({ namespaceSelectors: [{ matchLabels: { tier: 'none' } }] })],
    ],
    services: [
      ['gold/one', {}, '192.0.2.0'],
      ['one', {}, 'NoPoolFits'],
      ['two', wants('metallb.io/address-pool', 'b'), 'PoolNotForService'],
    ],
  },
  {
    what: 'a pool for Services by label, and both conditions together',
    pools: [
      ['a', A, apart({ serviceSelectors: [{ matchLabels: { app: 'dns' } }] })],
      [
        'b',
        B,
        apart({ namespaces: ['team'], serviceSelectors: [{ matchLabels: { app: 'web' } }] }),
      ],
    ],
    services: [
      ['one', { labels: { app: 'dns' } }, '192.0.2.0'],
      ['two', { labels: { app: 'web' } }, 'NoPoolFits'],
      ['team/two', { labels: { app: 'web' } }, '192.0.2.16'],
      ['team/three', {}, 'NoPoolFits'],
    ],
  },
  {
    what: 'a pool that is not assigned by itself must be asked for, by name or address',
    pools: [['a', A, { autoAssign: false }]],
    services: [
      ['one', {}, 'NoPoolFits'],
      ['two', wants('metallb.io/address-pool', 'a'), '192.0.2.0'],
      ['three', wants('metallb.io/loadBalancerIPs', '192.0.2.5'), '192.0.2.5'],
      ['four', wants('metallb.io/address-pool', 'z'), 'NoSuchPool'],
    ],
  },
  {
    what: 'an address asked for: in either way, with either prefix, the newer one before the older',
    pools: [
      ['a', A],
      ['b', B],
    ],
    services: [
      ['one', { spec: { loadBalancerIP: '192.0.2.3' } }, '192.0.2.3'],
      ['two', wants('metallb.universe.tf/loadBalancerIPs', '192.0.2.4'), '192.0.2.4'],
      [
        'three',
        {
          annotations: {
            'metallb.universe.tf/loadBalancerIPs': '192.0.2.6',
            'metallb.io/loadBalancerIPs': '192.0.2.5',
          },
        },
        '192.0.2.5',
      ],
      ['four', wants('metallb.universe.tf/address-pool', 'b'), '192.0.2.16'],
      ['five', wants('metallb.io/loadBalancerIPs', '192.0.2.5'), 'AddressInUse'],
      ['six', wants('metallb.io/loadBalancerIPs', '198.51.100.1'), 'AddressOutsidePools'],
      ['seven', wants('metallb.io/loadBalancerIPs', 'nonsense'), 'InvalidRequest'],
      [
        'eight',
        {
          annotations: { 'metallb.io/loadBalancerIPs': '192.0.2.7' },
          spec: { loadBalancerIP: '192.0.2.7' },
        },
        'InvalidRequest',
      ],
      [
        'nine',
        {
          annotations: {
            'metallb.io/loadBalancerIPs': '192.0.2.7',
            'metallb.io/address-pool': 'b',
          },
        },
        'AddressInOtherPool',
      ],
    ],
  },
  {
    what: 'addresses that some devices take for others are avoided, also when asked for',
    pools: [['a', ['192.0.2.0-192.0.2.1'], { avoidBuggyIPs: true }]],
    services: [
      ['one', {}, '192.0.2.1'],
      ['two', wants('metallb.io/loadBalancerIPs', '192.0.2.0'), 'AddressAvoided'],
      ['three', {}, 'NoAddressLeft'],
    ],
  },
  {
    what: 'Services of one key share an address as long as their ports differ',
    pools: [['a', A]],
    services: [
      ['one', shares('k', 80), '192.0.2.0'],
      ['two', shares('k', 443), '192.0.2.0'],
      ['three', shares('k', 80), '192.0.2.1'],
      ['four', shares('other', 8080), '192.0.2.2'],
      ['team/five', shares('k', 8443), '192.0.2.0'],
    ],
  },
  {
    what: 'both families from one pool; Prefer takes what there is, Require does not',
    pools: [
      ['a', A],
      ['b', ['192.0.2.16/29', '2001:db8::10/125']],
      ['c', ['2001:db8::20/125']],
    ],
    services: [
      ['one', family('RequireDualStack'), '192.0.2.16 2001:db8::10'],
      ['two', family('PreferDualStack'), '192.0.2.17 2001:db8::11'],
      ['three', { spec: { ipFamilies: ['IPv6'] } }, '2001:db8::12'],
      [
        'four',
        {
          spec: { ipFamilyPolicy: 'PreferDualStack' },
          annotations: { 'metallb.io/address-pool': 'c' },
        },
        '2001:db8::20',
      ],
      [
        'five',
        {
          spec: { ipFamilyPolicy: 'RequireDualStack' },
          annotations: { 'metallb.io/address-pool': 'a' },
        },
        'NoPoolFits',
      ],
    ],
  },
  {
    what: 'several addresses of each family, all or none',
    pools: [['a', ['192.0.2.0-192.0.2.2', '2001:db8::/126']]],
    services: [
      ['one', wants('arpeggio.dev/addresses-per-family', '2'), '192.0.2.0 192.0.2.1'],
      ['two', wants('arpeggio.dev/addresses-per-family', '2'), 'NoAddressLeft'],
      ['three', {}, '192.0.2.2'],
    ],
  },
  {
    what: 'a pool asked for is the only one that is looked at',
    pools: [
      ['a', ['192.0.2.0/32']],
      ['c', C],
    ],
    services: [
      ['one', wants('metallb.io/address-pool', 'a'), '192.0.2.0'],
      ['two', wants('metallb.io/address-pool', 'a'), 'NoAddressLeft'],
    ],
  },
];
