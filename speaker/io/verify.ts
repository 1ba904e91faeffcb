/**
 * Asks the wire who answers for an address, from this host: through a packet socket of its own, so
 * it works beside either data plane and where no speaker runs. Needs CAP_NET_RAW.
 */
import { getSystemErrorName } from 'node:util';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import { ETHERTYPE } from '../../net/ethernet.ts';
import { formatIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { answerFilter } from '../answerfilter.ts';
import { findingOf } from '../finding.ts';
import type { Finding } from '../finding.ts';
import { EXCLUDED_LINKS, unusable } from '../links.ts';
import type { Link } from '../links.ts';
import { Verify } from '../verify.ts';
import type { Answerer, VerifyInput } from '../verify.ts';
import { loadNative } from './native.ts';
import type { Native } from './native.ts';
import { watchLinks } from './netlink.ts';

export interface VerifyRequest {
  readonly ip: Ip;
  /** One interface by name; undefined: all that may carry announcements. */
  readonly interface?: string | undefined;
  readonly timeout: Millis;
  /** The name of this host; its other interfaces may be on the same segment. */
  readonly self?: string;
  /** Names of the other nodes by MAC address. */
  readonly nodes?: ReadonlyMap<Mac, string>;
  /** Does this host itself answer for it? */
  readonly here?: boolean;
  /** Names left out unless asked for; MetalLB's list unless told. */
  readonly excluded?: readonly RegExp[];
}

/** Enough for any answer; longer frames are none. */
const FRAME_BYTES = 2048;
const LINKS_LIMIT_MS = 2000;

/** One finding for each interface. The error is one sentence. */
export async function verify(request: VerifyRequest): Promise<Result<readonly Finding[], string>> {
  const native = loadNative();
  if (!native.ok) return native;
  const known = await readLinks();
  if (!known.ok) return known;
  const links = chosen(known.value, request);
  if (!links.ok) return links;
  const findings: Finding[] = [];
  const { self = 'this host' } = request;
  const own = known.value.map(({ mac }): [Mac, string] => [mac, self]);
  const nodes = new Map([...(request.nodes ?? []), ...own]);
  const each = (link: Link): Promise<Result<readonly Answerer[], string>> =>
    ask(native.value, link, { ...request, nodes });
  const asked = await Promise.all(links.value.map(each));
  for (const [n, answer] of asked.entries()) {
    if (!answer.ok) return answer;
    const { ip, here = false } = request;
    const about = { ip: formatIp(ip), interface: links.value[n]?.name ?? '', here };
    findings.push(findingOf(about, answer.value));
  }
  return ok(findings);
}

/** All links of this network namespace, once. */
export function readLinks(): Promise<Result<readonly Link[], string>> {
  return new Promise((done) => {
    const links = new Map<number, Link>();
    const stop = new AbortController();
    const end = (result: Result<readonly Link[], string>): void => {
      clearTimeout(limit);
      done(result);
      stop.abort();
    };
    const late = 'the kernel did not tell its network interfaces within 2 s: try again';
    const limit = setTimeout(() => end(err(late)), LINKS_LIMIT_MS);
    const watched = watchLinks((event) => {
      if (event.kind === 'put') links.set(event.link.index, event.link);
      // Not from within the watch: it is still at work on this event.
      if (event.kind === 'synced') setImmediate(() => end(ok([...links.values()])));
    }, stop.signal);
    if (!watched.ok) end(watched);
  });
}

function chosen(
  links: readonly Link[],
  { interface: name, excluded = EXCLUDED_LINKS }: VerifyRequest,
): Result<readonly Link[], string> {
  if (name === undefined) {
    const usable = links.filter((link) => unusable(link, excluded) === undefined);
    if (usable.length > 0) return ok(usable);
    return err('no interface can carry announcements: name one with "interface"');
  }
  const link = links.find((each) => each.name === name);
  if (link === undefined) return err(`there is no interface "${name}" on this host`);
  const why = unusable(link, []);
  return why === undefined ? ok([link]) : err(`nothing can be asked on "${name}": it is ${why}`);
}

function ask(
  native: Native,
  link: Link,
  request: VerifyRequest,
): Promise<Result<readonly Answerer[], string>> {
  const { ip, timeout, nodes } = request;
  const type = ip.family === 4 ? ETHERTYPE.arp : ETHERTYPE.ipv6;
  const fd = native.frames(link.index, type, answerFilter(ip.family));
  if (fd < 0) return Promise.resolve(err(explain(link, getSystemErrorName(fd))));
  return new Promise((done) => {
    const buffer = new Uint8Array(FRAME_BYTES);
    const known = nodes === undefined ? {} : { nodes };
    const machine = new Verify({ ip, link, timeout, random: Math.random, ...known });
    const alarm = new Alarm(() => driver.wake());
    const end = (result: Result<readonly Answerer[], string>): void => {
      alarm.set(undefined);
      if (typeof watcher !== 'number') native.unwatch(watcher);
      native.close(fd);
      done(result);
    };
    const driver: Driver<VerifyInput> = drive(machine, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => {
        // What cannot be sent is not answered, and the next round tries again.
        if (output.kind === 'send') native.send(fd, output.frame);
        else setImmediate(() => end(ok(output.found)));
      },
    });
    const readable = (): void => {
      const length = native.receive(fd, buffer);
      if (length > 0 && length <= buffer.length) driver.put(buffer.slice(0, length));
    };
    const watcher = native.watch(fd, readable);
    if (typeof watcher === 'number') end(err(explain(link, getSystemErrorName(watcher))));
    else driver.wake();
  });
}

function explain({ name }: Link, code: string): string {
  if (code === 'EPERM') {
    return `asking on ${name} needs CAP_NET_RAW: give it to the speaker, or ask as root`;
  }
  if (code === 'ENODEV' || code === 'ENXIO') return `the interface ${name} has just gone`;
  return `cannot listen on ${name} (${code})`;
}
