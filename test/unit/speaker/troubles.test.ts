/** What is wrong around a node: said when it changes, and kept as long as it is so. */
import { describe, expect, test } from '@jest/globals';
import { parseReport } from '../../../owners/report.ts';
import { Brain } from '../../../speaker/brain.ts';
import { Displaced, TOLD_FOR } from '../../../speaker/displaced.ts';
import { statusOf } from '../../../speaker/status.ts';
import { Troubles } from '../../../speaker/troubles.ts';

const MAC = '02:00:5e:00:53:01';
const NONE = { orders: new Map(), silent: new Map(), holders: new Map() };

const words = (notes: ReturnType<Troubles['tell']>): readonly string[] =>
  notes.map(({ level, event, msg }) => `${level} ${event} ${msg}`);

describe('troubles', () => {
  test('each source says all that it has; what is new or over is told once', () => {
    const troubles = new Troubles();
    const missing = { reason: 'StrictARPMissing', sentence: 'set arp_ignore on eth0' };
    const other = { ...missing, sentence: 'set arp_ignore on eth1' };
    const displaced = { reason: 'ResponderDisplaced', sentence: 'somebody was first on eth0' };
    expect(words(troubles.tell('arp', [missing]))).toEqual([
      'warn StrictARPMissing set arp_ignore on eth0',
    ]);
    expect(words(troubles.tell('plane', [displaced]))).toHaveLength(1);
    expect(words(troubles.tell('arp', [missing]))).toEqual([]);
    expect(words(troubles.tell('arp', [other]))).toEqual([
      'warn StrictARPMissing set arp_ignore on eth1',
    ]);
    expect(troubles.all).toEqual([other, displaced]);
    expect(words(troubles.tell('arp', []))).toEqual([
      'info TroubleOver over: set arp_ignore on eth1',
    ]);
    expect(troubles.all).toEqual([displaced]);
  });

  test('whatever a kernel says fits into a report', () => {
    const troubles = new Troubles();
    troubles.tell('plane', [{ reason: 'X', sentence: `a\n\tb ${'ü'.repeat(5000)}` }]);
    const status = statusOf({
      plan: NONE,
      reflex: undefined,
      plane: 'bpf',
      troubles: troubles.all,
    });
    const made = { version: 1, node: 'node1', boot: 'b'.repeat(16), number: 1, challenge: '' };
    expect(parseReport(JSON.stringify({ ...made, ...status }))).toMatchObject({
      ok: true,
      value: { troubles: [{ reason: 'X', sentence: expect.stringMatching(/^a b ü+/) }] },
    });
  });
});

describe('strangers', () => {
  test('are told when they come and when they are gone', () => {
    const troubles = new Troubles();
    const stranger = { ip: '192.0.2.1', mac: MAC, link: 'eth0', withheld: true };
    expect(words(troubles.follow([stranger]))).toEqual([
      `warn AddressConflict ${MAC} on eth0 claims 192.0.2.1, and is no node of the cluster; ` +
        'it is not answered from here',
    ]);
    expect(words(troubles.follow([stranger]))).toEqual([]);
    expect(words(troubles.follow([]))).toEqual([
      `info AddressConflictOver ${MAC} on eth0 is not heard to claim 192.0.2.1 any more`,
    ]);
    expect(troubles.conflictsFound).toBe(1);
  });

  test('are reported with the Services that hold the address', () => {
    const conflicts = [{ ip: '192.0.2.1', mac: MAC, link: 'eth0', withheld: false }];
    const reflex = {
      phase: 'serving' as const,
      cause: 'confirmed' as const,
      peers: new Map(),
      held: [],
      links: [],
      conflicts,
    };
    const plan = { ...NONE, holders: new Map([['192.0.2.1', ['d/web']]]) };
    expect(statusOf({ plan, reflex, plane: 'bpf', troubles: [] }).conflicts).toEqual([
      { ip: '192.0.2.1', mac: MAC, interface: 'eth0', services: ['d/web'], withheld: false },
    ]);
  });
});

describe('a responder that is not where it belongs', () => {
  test('what was put back is told for a minute', () => {
    const displaced = new Displaced();
    displaced.mended('eth0', 'displaced', 1000);
    displaced.mended('eth1', 'gone', 2000);
    expect(displaced.troubles(1000 + TOLD_FOR - 1)).toEqual([
      {
        reason: 'ResponderDisplaced',
        sentence:
          'somebody hung a program before it on eth0; it is back in its place: ' +
          'look for another agent that uses BPF there',
      },
      expect.objectContaining({
        sentence: expect.stringContaining('somebody took the responder off eth1'),
      }),
    ]);
    expect(displaced.troubles(1000 + TOLD_FOR)).toHaveLength(1);
    expect(displaced.troubles(2000 + TOLD_FOR)).toEqual([]);
  });

  test('what cannot be attached is told until it can, or the interface is gone', () => {
    const displaced = new Displaced();
    displaced.failed('eth0', 'the kernel says no');
    displaced.failed('eth1', 'the kernel says no');
    expect(displaced.troubles(1e9)[0]).toEqual({
      reason: 'ResponderNotAttached',
      sentence: 'nothing is answered on eth0: the kernel says no',
    });
    displaced.attached('eth0');
    displaced.gone('eth1');
    expect(displaced.troubles(1e9)).toEqual([]);
  });
});

test('the brain logs on change what it is told, and reports it', () => {
  const brain = new Brain('node1', false);
  const said = (): readonly string[] => {
    const found: string[] = [];
    for (let out = brain.poll(); out !== undefined; out = brain.poll()) {
      found.push(out.kind === 'note' ? out.note.event : out.kind);
    }
    return found;
  };
  const told = [{ reason: 'StrictARPMissing', sentence: 'arp_ignore is 0' }];
  brain.handle({ kind: 'troubles', source: 'arp', troubles: told }, 10);
  expect(said()).toEqual(['StrictARPMissing', 'changed']);
  brain.handle({ kind: 'troubles', source: 'arp', troubles: told }, 20);
  expect(said()).toEqual([]);
  const stranger = { ip: '192.0.2.1', mac: MAC, link: 'eth0', withheld: true };
  const state = { phase: 'serving', cause: 'confirmed', held: [], links: [] } as const;
  const contested = { ...state, peers: new Map(), conflicts: [stranger] };
  brain.handle({ kind: 'reflex', state: contested }, 30);
  expect(said()).toEqual(['PhaseChanged', 'AddressConflict', 'changed']);
  brain.handle({ kind: 'reflex', state: contested }, 40);
  expect(said()).toEqual(['changed']);
  expect(brain.status('bpf')).toMatchObject({
    conflicts: [{ ip: '192.0.2.1', mac: MAC, interface: 'eth0', services: [], withheld: true }],
    troubles: told,
  });
});
