/** The report's text: what is written is read, and what is not a report is refused in words. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MOST_BYTES, PHASES, emitReport, parseReport } from '../../../owners/report.ts';
import type { SpeakerReport } from '../../../owners/report.ts';

const REPORT: SpeakerReport = {
  version: 1,
  node: 'node1',
  boot: '0123456789abcdef',
  number: 7,
  challenge: '',
  phase: 'serving',
  plane: 'bpf',
  addresses: [
    {
      ip: '2001:db8::1',
      services: ['default/web'],
      interfaces: [{ name: 'eth0.5', mac: '02:64:00:00:00:64' }],
    },
  ],
  silent: [{ service: 'default/api', reason: 'NoAddress', sentence: 'it has no address yet' }],
  conflicts: [
    {
      ip: '192.0.2.1',
      mac: '02:00:5e:00:53:01',
      interface: 'eth0',
      services: ['default/api'],
      withheld: true,
    },
  ],
  troubles: [{ reason: 'StrictARPMissing', sentence: 'arp_ignore is 0 on eth0' }],
  peers: { alive: ['node2'], joining: [], absent: [], dead: ['node3'] },
};

const name = fc.stringMatching(/^[a-z0-9](?:[-a-z0-9.]{0,20}[a-z0-9])?$/);
const key = fc.tuple(name, name).map(([space, own]) => `${space}/${own}`);
const reports: fc.Arbitrary<SpeakerReport> = fc.record({
  version: fc.constant(1),
  node: name,
  boot: fc.stringMatching(/^[0-9a-f]{16}$/),
  number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  challenge: fc.stringMatching(/^(?:[0-9a-f]{32})?$/),
  phase: fc.constantFrom(...PHASES),
  plane: fc.constantFrom('bpf', 'packet', 'model'),
  addresses: fc.array(
    fc.record({
      ip: fc.constantFrom('192.0.2.1', '2001:db8::1'),
      services: fc.array(key),
      interfaces: fc.array(
        fc.record({
          name: fc.constantFrom('eth0', 'bond0.100', 'enp3s0'),
          mac: fc.constantFrom('02:64:00:00:00:64', 'ff:ff:ff:ff:ff:ff'),
        }),
      ),
    }),
  ),
  silent: fc.array(
    fc.record({
      service: key,
      reason: fc.stringMatching(/^[A-Z][A-Za-z]{0,20}$/),
      sentence: fc.stringMatching(/^[ -~é→]{1,40}$/u),
    }),
  ),
  conflicts: fc.array(
    fc.record({
      ip: fc.constantFrom('192.0.2.1', '2001:db8::1'),
      mac: fc.constant('02:00:5e:00:53:01'),
      interface: fc.constantFrom('eth0', 'bond0.100'),
      services: fc.array(key),
      withheld: fc.boolean(),
    }),
  ),
  troubles: fc.array(
    fc.record({
      reason: fc.stringMatching(/^[A-Z][A-Za-z]{0,20}$/),
      sentence: fc.stringMatching(/^[ -~é→]{1,40}$/u),
    }),
  ),
  peers: fc.record({
    alive: fc.array(name),
    joining: fc.array(name),
    absent: fc.array(name),
    dead: fc.array(name),
  }),
});

describe('a report', () => {
  test('what is written is read', () => {
    fc.assert(
      fc.property(reports, (report) => {
        expect(parseReport(emitReport(report))).toEqual({ ok: true, value: report });
      }),
    );
  });

  test('any JSON is read or refused in one sentence, never thrown over', () => {
    const check = (text: string): void => {
      const parsed = parseReport(text);
      expect(parsed.ok ? 'a sentence' : parsed.error).toMatch(/^[^\n]{5,400}$/);
    };
    fc.assert(fc.property(fc.json(), check));
    expect(parseReport('[')).toMatchObject({ ok: false });
    const fields = Object.keys(REPORT);
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
        check(JSON.stringify({ ...REPORT, [field]: value }));
      }),
    );
  });

  test.each<[string, object]>([
    ['version must be 1', { version: 2 }],
    ['node must be text', { node: 'Node 1' }],
    ['boot must be text', { boot: '12' }],
    ['number must be a whole number', { number: 0 }],
    ['number must be a whole number', { number: 1.5 }],
    ['challenge must be text', { challenge: 'x' }],
    ['phase must be one of listening', { phase: 'asleep' }],
    ['addresses must be a list', { addresses: {} }],
    ['addresses[0].ip must be an IP', { addresses: [{ ...REPORT.addresses[0], ip: '::0' }] }],
    ['addresses[0].services[0] must', { addresses: [{ ...REPORT.addresses[0], services: ['x'] }] }],
    ['silent[0].reason must be', { silent: [{ ...REPORT.silent[0], reason: 'no address' }] }],
    ['silent[0].sentence must', { silent: [{ ...REPORT.silent[0], sentence: 'a\nb' }] }],
    ['conflicts must be a list', { conflicts: 'none' }],
    ['conflicts[0].mac must be a MAC', { conflicts: [{ ...REPORT.conflicts[0], mac: 'x' }] }],
    ['conflicts[0].interface must', { conflicts: [{ ...REPORT.conflicts[0], interface: '' }] }],
    ['conflicts[0].services must', { conflicts: [{ ...REPORT.conflicts[0], services: {} }] }],
    ['conflicts[0].withheld must be', { conflicts: [{ ...REPORT.conflicts[0], withheld: 1 }] }],
    ['troubles[0].reason must be', { troubles: [{ ...REPORT.troubles[0], reason: 'x y' }] }],
    ['peers must be a map', { peers: [] }],
    ['peers.dead[0] must be text', { peers: { ...REPORT.peers, dead: [3] } }],
  ])('%s', (message, change) => {
    const parsed = parseReport(JSON.stringify({ ...REPORT, ...change }));
    expect(parsed).toEqual({ ok: false, error: expect.stringContaining(`: ${message}`) });
  });

  test('interfaces: names that Linux has, MAC addresses as we write them', () => {
    const withLink = (link: object): unknown => {
      const addresses = [{ ...REPORT.addresses[0], interfaces: [link] }];
      const parsed = parseReport(JSON.stringify({ ...REPORT, addresses }));
      return parsed.ok ? 'taken' : parsed.error;
    };
    expect(withLink({ name: 'eth0', mac: '02:64:00:00:00:64' })).toBe('taken');
    expect(withLink({ name: 'a/b', mac: '02:64:00:00:00:64' })).toContain('interfaces[0].name');
    expect(withLink({ name: 'eth0', mac: '02-64-00-00-00-64' })).toContain('interfaces[0].mac');
  });

  test('an older speaker knows neither conflicts nor troubles', () => {
    const { conflicts: _, troubles: __, ...older } = REPORT;
    const read = { ...older, conflicts: [], troubles: [] };
    expect(parseReport(JSON.stringify(older))).toEqual({ ok: true, value: read });
  });

  test('a field from a newer speaker goes no further', () => {
    const parsed = parseReport(JSON.stringify({ ...REPORT, mood: 'fine' }));
    expect(parsed).toEqual({ ok: true, value: REPORT });
  });

  test('one that is too large is not even read', () => {
    expect(parseReport(' '.repeat(MOST_BYTES + 1))).toMatchObject({ ok: false });
  });
});
