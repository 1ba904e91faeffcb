/** The model plane keeps the contract; no kernel, no namespaces. */
import { openModelPlane } from '../../speaker/model.ts';
import { dataPlaneContract } from './dataplane.ts';
import { remote } from './planebench.ts';
import type { PlaneBench } from './planebench.ts';

async function open(): Promise<PlaneBench> {
  const plane = openModelPlane({ guard: true });
  const links = [
    { index: 2, mac: '02:64:00:00:00:02' },
    { index: 3, mac: '02:64:00:00:00:03' },
  ] as const;
  let now = 1000;
  return {
    plane: remote(plane),
    links,
    now: () => now,
    async ask(index, frame) {
      // Time passes with every frame.
      now += 1;
      const link = links.find((one) => one.index === index) ?? links[0];
      const { reply } = plane.receive(link, frame, now);
      return reply === undefined ? [] : [reply];
    },
    async heard(index) {
      const heard = plane.sent.filter(({ link }) => link === index).map(({ frame }) => frame);
      plane.sent.splice(0, plane.sent.length, ...plane.sent.filter(({ link }) => link !== index));
      return heard;
    },
    async leave(index, frame) {
      const left = plane.leave(index, frame, now);
      return left === undefined ? [] : [left];
    },
    guards: true,
    async close() {
      plane.close();
    },
  };
}

dataPlaneContract('model', open);
