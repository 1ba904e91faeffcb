/**
 * Texts made to hurt: deep, wide, or small and expanding. Each ends soon with a sentence, or with
 * what it says. The bound is far above what they take, and far below what a hang is.
 */
import { expect, test } from '@jest/globals';
import { readLegacy } from '../../config/compat/legacy.ts';
import { parse } from '../../config/parse.ts';
import { validate } from '../../config/schema.ts';
import { readManifests } from '../../kube/manifest.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { expectSentence } from './fuzz.ts';

/** Of the processor's time, whatever else the machine does. */
const SOON_MS = 3000;

function busyMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1000;
}

/** "Billion laughs": ten times ten times ten … of one text. */
const LAUGHS = [
  'a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]',
  ...'bcdefghij'.split('').map((name, index) => {
    const before = 'abcdefghi'[index] ?? '';
    return `${name}: &${name} [${Array<string>(10).fill(`*${before}`).join(', ')}]`;
  }),
].join('\n');

const many = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const BOMBS: readonly (readonly [string, string])[] = [
  ['laughs', LAUGHS],
  ['laughs in pools', `${LAUGHS}\naddress-pools: *j`],
  ['deep lists', '['.repeat(20_000)],
  ['deep lists that end', '['.repeat(5000) + ']'.repeat(5000)],
  ['deep maps', many(1000, (index) => `${' '.repeat(index)}a:`)],
  ['deep JSON', '{"a":'.repeat(5000)],
  ['a ring', 'a: &a {b: *a}\naddress-pools: *a'],
  ['merged with itself', 'a: &a\n  <<: *a'],
  ['many anchors', many(1000, (index) => `a${index}: &a${index} *a${index - 1}`)],
  ['many faults', many(2000, () => 'a: b: c')],
  ['many documents', '---\n'.repeat(2000)],
  ['a wide map', many(10_000, (index) => `key${index}: x`)],
  ['many faulty pools', `address-pools:\n${many(1000, () => '- {name: 1, protocol: x}')}`],
  ['one long line', 'a'.repeat(1_000_000)],
  ['one long key', `${'a'.repeat(500_000)}: 1`],
  ['tags', '!!binary '.repeat(2000)],
  ['zeros', '\0'.repeat(100_000)],
];

test.each(BOMBS)('%s', (_, text) => {
  const told: string[] = [];
  const busy = busyMs(() => {
    const { faults } = readLegacy(text, { namespace: 'metallb-system' });
    const { problems } = readManifests('f.yaml', text, validate);
    told.push(...[...faults, ...problems].map(({ message }) => message));
  });
  expect(busy).toBeLessThan(SOON_MS);
  expect(told.length).toBeGreaterThan(0);
  for (const message of told) expectSentence(message);
});

function pools(count: number, addresses: (index: number) => readonly string[]): KubeObject[] {
  return Array.from({ length: count }, (_, index) => ({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: `p${index}`, namespace: 'metallb-system' },
    spec: { addresses: addresses(index) },
  }));
}

test.each([
  ['all there is', pools(1, () => ['0.0.0.0/0', '::/0', '::-ffff::']), 1],
  [
    'the widest ranges that are no CIDR',
    pools(1, () => ['0.0.0.1-255.255.255.254', '::1-ffff::']),
    0,
  ],
  ['everybody has the same', pools(1000, () => ['10.0.0.0/8']), 999],
  [
    'many ranges',
    pools(50, (index) => [...Array(200).keys()].map((at) => `10.${index}.${at}.0/25`)),
    0,
  ],
])('%s', (_, objects, count) => {
  const ad = { apiVersion: 'metallb.io/v1beta1', kind: 'BGPAdvertisement' };
  const ads = Array.from({ length: 20 }, (__, index) => ({
    ...ad,
    metadata: { name: `a${index}` },
  }));
  const advertisements = { pools: objects, advertisements: [], bgpAdvertisements: ads };
  const problems: unknown[] = [];
  const busy = busyMs(() => {
    const parsed = parse(advertisements);
    if (!parsed.ok) problems.push(...parsed.error);
  });
  expect(busy).toBeLessThan(SOON_MS);
  expect(problems.length).toBe(count);
});
