/**
 * Runs `Groups` inside a namespace for a test outside. `put`, `remove` and `close` come over IPC
 * and are answered when they return; complaints go back as they come. An answer tells how long the
 * longest turn of the event loop was since the call before, in milliseconds of processor time: by
 * the clock it would depend on what else the machine does.
 */
import { readFileSync } from 'node:fs';
import { parseIp } from '../../net/ip.ts';
import { Groups } from '../../speaker/io/groups.ts';
import type { Group } from '../../speaker/table.ts';

export interface GroupCall {
  readonly name: 'put' | 'remove' | 'close' | 'stall';
  readonly groups: readonly { readonly group: string; readonly link: number }[];
}

export type GroupAnswer =
  | { readonly kind: 'done'; readonly stall: number }
  | { readonly kind: 'complaint'; readonly text: string };

/** What one turn of the event loop took at the most, in microseconds of this thread's time. */
let longest = 0;
let before = 0;
const say = (answer: GroupAnswer): void => void process.send?.(answer);
const groups = new Groups((text) => say({ kind: 'complaint', text }));

/** As rtnetlink would tell: by index, whatever the name is now. */
function nameOf(link: number): string | undefined {
  const names = readFileSync('/proc/net/dev', 'utf8').matchAll(/^\s*(\S+):/gm);
  return [...names].map(([, name = '']) => name).find((name) => indexOf(name) === link);
}

function indexOf(name: string): number {
  return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
}

function used(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

let watching = false;

/** Begins anew; a turn is from one immediate to the next. */
function watch(): void {
  longest = 0;
  before = used();
  if (watching) return;
  watching = true;
  const turn = (): void => {
    const now = used();
    longest = Math.max(longest, now - before);
    before = now;
    setImmediate(turn);
  };
  turn();
}

function keyed(call: GroupCall): Map<string, Group> {
  return new Map(
    call.groups.map(({ group, link }) => {
      const ip = parseIp(group);
      if (!ip.ok) throw new Error(ip.error);
      return [`${group}%${link}`, { group: ip.value, link }];
    }),
  );
}

process.on('message', (call: GroupCall) => {
  const stall = longest / 1000;
  const names = new Map<number, string | undefined>();
  const known = (link: number): string | undefined => {
    if (names.get(link) === undefined) names.set(link, nameOf(link));
    return names.get(link);
  };
  const put = call.name === 'put' ? keyed(call) : new Map<string, Group>();
  const remove = call.name === 'remove' ? [...keyed(call).keys()] : [];
  // In a turn of its own, so that what it takes to read the message is not counted.
  setImmediate(() => {
    watch();
    if (call.name === 'close') groups.close();
    else groups.apply({ put, remove }, known);
    say({ kind: 'done', stall });
  });
});
