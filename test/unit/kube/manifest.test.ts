/** Texts of manifests: their objects, and where their problems are. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { validate } from '../../../config/schema.ts';
import { readManifests } from '../../../kube/manifest.ts';
import { readOverlay, readOwn } from '../../../kube/overlay.ts';

const read = (text: string) => readManifests('f.yaml', text, validate);
const keys = (text: string) =>
  read(text).manifests.map(({ resource, key }) => `${resource.kind} ${key}`);
const problems = (text: string) =>
  read(text).problems.map(({ place, path, message }) => [place, path, message]);

const POOL = `# the lab
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: lan
  annotations:
    example.org/a: b
spec:
  addresses:
    - 192.0.2.0/28
    - 2001:db8::/64
`;

describe('readManifests', () => {
  test('several documents, with the namespaces that kinds default to', () => {
    const text = [
      POOL,
      'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n',
      '# nothing\n',
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: {}\n',
      'apiVersion: v1\nkind: Node\nmetadata: {name: node-1}\n',
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n' +
        'metadata: {name: s}\naddressType: IPv4\n',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: passed-over}\n',
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: other-group}\n',
    ].join('---\n');
    expect(problems(text)).toEqual([]);
    expect(keys(text)).toEqual([
      'IPAddressPool metallb-system/lan',
      'Service default/a',
      'Service shop/a',
      'Node node-1',
      'EndpointSlice default/s',
    ]);
  });

  test('the other kinds of the configuration; both versions of BGPPeer are one kind', () => {
    const peer = (version: string, name: string, more = '') =>
      `apiVersion: metallb.io/${version}\nkind: BGPPeer\nmetadata: {name: ${name}}\n` +
      `spec: {myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1${more}}\n`;
    const text = [
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, namespace: x}\n',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {config: ""}\n',
      peer('v1beta1', 'old'),
      peer('v1beta2', 'new'),
    ].join('---\n');
    expect(problems(text)).toEqual([]);
    expect(read(text).manifests.map(({ key, object }) => [object.apiVersion, key])).toEqual([
      ['v1', 'shop'],
      ['v1', 'metallb-system/config'],
      ['metallb.io/v1beta2', 'metallb-system/old'],
      ['metallb.io/v1beta2', 'metallb-system/new'],
    ]);
    expect(problems(peer('v1beta1', 'old', ', vrf: red'))).toEqual([
      ['f.yaml:4', 'spec.vrf', 'vrf is not a field; check its spelling'],
    ]);
  });

  test('kind: List, JSON, and nothing at all', () => {
    const item = (name: string, port: unknown) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, labels: null },
      spec: { ports: [{ port }] },
    });
    const list = { apiVersion: 'v1', kind: 'List', items: [item('a', 80), item('b', 'x')] };
    const text = JSON.stringify(list, null, 1);
    expect(keys(text)).toEqual(['Service default/a']);
    const line = text.split('\n').findIndex((each) => each.includes('"x"')) + 1;
    expect(problems(text)).toEqual([
      [`f.yaml:${line}`, 'spec.ports[0].port', 'port must be a number, but it is the text "x"'],
    ]);
    expect(read(text).manifests[0]?.object.metadata).not.toHaveProperty('labels');
    for (const nothing of ['', '# only this\n', '---\n~\n']) {
      expect(read(nothing)).toEqual({ manifests: [], problems: [] });
    }
  });

  test('place is the line of the field, or of its nearest parent', () => {
    const [pool] = read(POOL).manifests;
    expect(pool?.place('spec.addresses[1]')).toBe('f.yaml:11');
    expect(pool?.place('metadata.annotations["example.org/a"]')).toBe('f.yaml:7');
    expect(pool?.place('spec.autoAssign')).toBe('f.yaml:8');
    expect(pool?.place('')).toBe('f.yaml:2');
  });

  test.each([
    ['kind: [\n', 'f.yaml:2', '', 'not valid YAML'],
    ['a: 1\na: 2\n', 'f.yaml:2', '', 'not valid YAML'],
    ['just text\n', 'f.yaml:1', '', 'the document must be a map of fields'],
    ['metadata: {name: a}\nkind: Service\n', 'f.yaml:1', 'apiVersion', 'apiVersion is missing'],
    [
      POOL.replace('v1beta1', 'v1alpha1'),
      'f.yaml:2',
      'apiVersion',
      'IPAddressPool is read as metallb.io/v1beta1, not metallb.io/v1alpha1',
    ],
    [`${POOL}  autoAsign: true\n`, 'f.yaml:12', 'spec.autoAsign', 'not a field'],
    ['a: &a [1]\nb: *c\n', 'f.yaml:1', '', 'not valid YAML'],
    ['a: &a [*a]\n', 'f.yaml:1', '', 'not valid YAML: an alias contains itself'],
    ['a: &a {b: {c: *a, d: *a}}\n', 'f.yaml:1', '', 'an alias contains itself'],
  ])('%j', (text, place, path, message) => {
    const found = problems(text).filter((problem) => problem[1] === path);
    expect(found).toEqual([[place, path, expect.stringContaining(message)]]);
  });

  test.each([
    ['lists', `${'['.repeat(200)}${']'.repeat(200)}`],
    ['maps', '{a: '.repeat(3000)],
    ['a hundred thousand lists', '['.repeat(100_000)],
  ])('%s in each other have an end', (_, text) => {
    const found = problems(text);
    expect(found[0]).toEqual(['f.yaml:1', '', expect.stringContaining('nested more than 100')]);
    expect(found.length).toBeLessThanOrEqual(10);
  });

  test('aliases cannot make a small file large', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const refs = Array.from({ length: 9 }, () => (i === 0 ? '1' : `*l${i - 1}`));
      return `l${i}: &l${i} [${refs.join(',')}]\n`;
    });
    expect(problems(levels.join(''))[0]?.[2]).toMatch(/^not valid YAML: /);
  });
});

/** Texts that are nearly YAML: pieces of the grammar, in any order and depth. */
const PIECES = [
  'a~b: ~kind: Service~apiVersion: v1~metadata: {name: a}~spec: ~items: ~kind: List~&a ~*a~<<: *a',
  '? ~- ~: ~[~]~{~}~, ~\n~\n  ~---\n~...\n~%YAML 1.1\n~%TAG ! x\n~!!set ~!!binary ~!!omap ~!!str',
  '!x ~"~\'~|\n~>-\n~#~\t~null~0x1~.nan~1e999~2001-01-01~\0~\ufeff~\r~\ud800',
  'ports: [{port: 80}]~__proto__: ~constructor: ',
];
const pieces = fc.constantFrom(...PIECES.flatMap((line) => line.split('~')));
const whole = fc.constantFrom(
  '',
  POOL,
  'apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: ',
);
const nearly = fc
  .tuple(whole, fc.array(pieces, { maxLength: 30 }))
  .map(([head, tail]) => head + tail.join(''));
const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each).toString('utf8'));

test('no text throws, and each problem has a place and a sentence', () => {
  fc.assert(
    fc.property(fc.oneof(nearly, bytes, fc.string({ unit: 'binary' })), (text) => {
      const reading = read(text);
      for (const { place, message } of reading.problems) {
        expect(place).toMatch(/^f\.yaml:\d+$/);
        expect(message).not.toBe('');
      }
      for (const manifest of reading.manifests) {
        expect(JSON.stringify(manifest.object)).toContain('metadata');
        expect(manifest.place('metadata.name')).toMatch(/^f\.yaml:\d+$/);
      }
      readOverlay(text, validate);
      readOwn(text);
    }),
    { numRuns: 1000 },
  );
});
