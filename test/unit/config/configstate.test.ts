/** ConfigurationState: what a program says of the configuration. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigState, linesOf } from '../../../config/configstate.ts';
import type { ConfigStateOptions, Judgement } from '../../../config/configstate.ts';
import type { Condition, KubeObject, OwnerReference } from '../../../kube/objects.ts';
import { Kept } from '../kube/kept.ts';

const KEY = 'metallb-system/controller';
const POD = { apiVersion: 'v1', kind: 'Pod', name: 'controller-abc', uid: '1-2-3' };
const VALID: Judgement = { problems: [], asides: [] };

interface State {
  readonly result: string;
  readonly errorSummary?: string;
  readonly conditions: readonly Condition[];
}

let judgement: Judgement | undefined;
let owner: OwnerReference | undefined;
let kept: Kept;

function keeping(more: Partial<ConfigStateOptions> = {}): Kept {
  const options: ConfigStateOptions = {
    component: 'controller',
    namespace: 'metallb-system',
    judgement: () => judgement,
    wall: () => `T${kept.now}`,
    owner: () => owner,
    ...more,
  };
  return new Kept(() => new ConfigState(options));
}

function state(key = KEY): State {
  return kept.status(key) as State;
}

beforeEach(() => {
  judgement = undefined;
  owner = undefined;
  kept = keeping();
});

test('nothing is said before there is something to say', () => {
  kept.change();
  expect(kept.asked).toEqual([]);
});

describe('names, labels and conditions are MetalLB’s', () => {
  test('of the controller', () => {
    [judgement, owner] = [VALID, POD];
    kept.change();
    expect(kept.objects.get(KEY)?.metadata).toMatchObject({
      labels: { 'metallb.io/component-type': 'controller' },
      ownerReferences: [POD],
    });
    expect(state()).toMatchObject({
      result: 'Valid',
      conditions: [{ type: 'poolReconcilerValid', status: 'True', reason: 'Reconciled' }],
    });
    expect(state().errorSummary).toBe(undefined);
  });

  test('of a speaker', () => {
    judgement = { problems: ['a is wrong', 'b is wrong'], asides: [] };
    kept = keeping({ component: 'speaker', node: 'node1.example' });
    kept.change();
    const key = 'metallb-system/speaker-node1.example';
    expect(kept.objects.get(key)?.metadata.labels).toEqual({
      'metallb.io/component-type': 'speaker',
      'metallb.io/node-name': 'node1.example',
    });
    expect(state(key)).toMatchObject({
      result: 'Invalid',
      errorSummary: 'a is wrong\nb is wrong',
      conditions: [{ type: 'configReconcilerValid', reason: 'ConfigurationError' }],
    });
  });
});

test('written on change only; the time is that of the last change of the status', () => {
  judgement = VALID;
  kept.change();
  expect(kept.asked).toEqual([`create ${KEY}`, `update ${KEY}`]);
  const first = state().conditions[0]?.lastTransitionTime;
  kept.change();
  kept.pass(600_000);
  expect(kept.asked).toHaveLength(2);
  judgement = { problems: ['a is wrong'], asides: [] };
  kept.change();
  const second = state().conditions[0]?.lastTransitionTime;
  expect(second).not.toBe(first);
  judgement = { problems: ['b is wrong'], asides: [] };
  kept.change();
  expect(state()).toMatchObject({ errorSummary: 'b is wrong' });
  expect(state().conditions[0]?.lastTransitionTime).toBe(second);
  judgement = VALID;
  kept.change();
  expect([state().result, state().errorSummary]).toEqual(['Valid', undefined]);
  expect(kept.asked).toHaveLength(5);
});

test('what is beside the point is a condition and no fault', () => {
  const aside = { type: 'arpeggio.dev/BGPAnnounced', reason: 'NotAnnounced', lines: ['peer a'] };
  judgement = { problems: [], asides: [aside, { ...aside, type: 'none', lines: [] }] };
  kept.change();
  expect(state().result).toBe('Valid');
  expect(state().errorSummary).toBe(undefined);
  expect(state().conditions.map(({ type, status }) => `${type} ${status}`)).toEqual([
    'poolReconcilerValid True',
    'arpeggio.dev/BGPAnnounced False',
  ]);
});

test('deleted or edited by somebody: there again', () => {
  judgement = VALID;
  kept.change();
  kept.remove(KEY);
  kept.pass(2000);
  expect(state().result).toBe('Valid');
  const [object] = kept.objects.values();
  const edited: unknown = { ...object, status: { result: 'Unknown' } };
  kept.put(edited as KubeObject);
  kept.pass(2000);
  expect(state().result).toBe('Valid');
});

test('a thousand problems: the first, and how many more', () => {
  judgement = { problems: Array.from({ length: 1000 }, (_, i) => `${i} is wrong`), asides: [] };
  kept.change();
  const lines = linesOf(state());
  expect(lines.size).toBe(21);
  expect(lines).toContain('0 is wrong');
  expect(lines).toContain('and 980 more');
});

test('a line that is cut in the middle of a character is written once', () => {
  judgement = { problems: [`a${'\u{1f600}'.repeat(600)}`], asides: [] };
  kept.change();
  expect(state().errorSummary).toHaveLength(1000);
  expect(state().errorSummary).not.toMatch(/\p{Surrogate}/u);
});
