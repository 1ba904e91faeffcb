/** The kind of the claims goes away while the controller runs, and comes back. */
import { expect, test } from '@jest/globals';
import { Controller, WATCHED, WATCHED_IF_THERE } from '../../../controller/controller.ts';
import { ADDRESS_CLAIM } from '../../../kube/kube.ts';
import type { WatchEvent } from '../../../kube/kube.ts';

const ABSENT: WatchEvent = {
  type: 'problem',
  problem: { place: 'AddressClaim', path: '', message: 'not known', refusal: 'absent' },
};
const BACK: WatchEvent = { type: 'solved', place: 'AddressClaim' };

function notes(controller: Controller, ...events: readonly WatchEvent[]): readonly string[] {
  for (const event of events) {
    controller.handle({ type: 'watched', resource: ADDRESS_CLAIM, event }, 0);
  }
  const said: string[] = [];
  for (let out = controller.poll(); out !== undefined; out = controller.poll()) {
    if (out.type === 'note') said.push(`${out.note.level} ${out.note.message}`);
  }
  return said;
}

function begun(namespace?: string): Controller {
  const controller = new Controller(() => 'T', { namespace });
  for (const resource of [...WATCHED, ...WATCHED_IF_THERE]) {
    controller.handle({ type: 'watched', resource, event: { type: 'synced' } }, 0);
  }
  return controller;
}

test('where addresses are taken by claims it is said, and that it is over', () => {
  const controller = begun('metallb-system');
  expect(notes(controller, ABSENT)).toEqual(['error AddressClaim: not known']);
  expect(controller.report().problems).toBe(1);
  expect(notes(controller, { type: 'synced' }, BACK)).toEqual(['info AddressClaim: mended']);
  expect(controller.report().problems).toBe(0);
});

test('where they are not it is no matter', () => {
  expect(notes(begun(), ABSENT)).toEqual([]);
});
