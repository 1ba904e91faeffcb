/** A watch at an API server decides well, whatever the server does. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backoff } from '../../../kube/backoff.ts';
import { Reflector, SILENCE } from '../../../kube/reflector.ts';
import type { ReflectorInput, ReflectorOutput } from '../../../kube/reflector.ts';
import { isOlder } from '../../../kube/version.ts';
import { seeded } from '../../../lib/random.ts';
import { ModelClient, ModelServer } from './modelserver.ts';

const MINUTE = 60_000;

function object(name: string, version: string, uid = `uid-${name}`) {
  const metadata = { name, uid, resourceVersion: version };
  return { apiVersion: 'v1', kind: 'Service', metadata };
}

/** A conversation in one line per step; `at` is the time of everything that follows. */
class Talk {
  readonly reflector = new Reflector('Service', () => 0.5);
  now = 1000;
  attempt = 0;

  outputs(): ReflectorOutput[] {
    const all: ReflectorOutput[] = [];
    for (let out = this.reflector.poll(); out !== undefined; out = this.reflector.poll()) {
      if (out.type === 'list' || out.type === 'watch') this.attempt = out.attempt;
      all.push(out);
    }
    return all;
  }

  /** What comes out, in short. */
  said(): string[] {
    return this.outputs().map((out) => {
      if (out.type === 'list') return `list ${out.next ?? ''}`.trim();
      if (out.type === 'watch') return `watch ${out.version}`;
      if (out.type !== 'event') return out.type;
      const { event } = out;
      if (event.type === 'put') return `put ${event.object.metadata.name}`;
      if (event.type === 'delete') return `delete ${event.key}`;
      return event.type;
    });
  }

  hear(input: ReflectorInput extends infer I ? Omit<I, 'attempt'> : never, attempt = this.attempt) {
    this.reflector.handle({ ...input, attempt } as ReflectorInput, this.now);
    return this.said();
  }

  page(version: string, ...objects: ReturnType<typeof object>[]): string[] {
    return this.hear({ type: 'page', version, objects, next: undefined } as never);
  }

  fail(status?: number, retryAfter?: number): string[] {
    return this.hear({ type: 'failed', status, retryAfter, message: `status ${status}` } as never);
  }

  /** Waits for the machine's own deadline; how long that took comes first. */
  wait(): [number, ...string[]] {
    const from = this.now;
    this.now = this.reflector.deadline() ?? from;
    this.reflector.tick(this.now);
    return [Math.round(this.now - from), ...this.said()];
  }

  /** Listed at version 10 with object a, and watching. */
  static watching(): Talk {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    talk.said();
    talk.page('10', object('a', '5'));
    talk.hear({ type: 'opened' } as never);
    return talk;
  }
}

describe('Reflector', () => {
  test('lists in pages, then watches from the version of the list', () => {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    expect(talk.said()).toEqual(['list']);
    const first = { type: 'page', version: '7', objects: [object('a', '3')], next: 'p2' };
    expect(talk.hear(first as never)).toEqual(['put a', 'list p2']);
    expect(talk.page('7', object('b', '4'))).toEqual(['put b', 'synced', 'watch 7']);
  });

  test('a watch asks for five to ten minutes', () => {
    const seconds = [0, 0.5, 0.999].map((random) => {
      const reflector = new Reflector('Service', () => random);
      reflector.tick(0);
      reflector.poll();
      const page = {
        type: 'page',
        attempt: 1,
        version: '7',
        objects: [],
        next: undefined,
      } as const;
      reflector.handle(page, 0);
      reflector.poll();
      const out = reflector.poll();
      return out?.type === 'watch' && out.timeoutSeconds;
    });
    expect(seconds).toEqual([300, 450, 600]);
  });

  test('what an abandoned request says is not heard', () => {
    const talk = Talk.watching();
    expect(talk.hear({ type: 'put', object: object('x', '99') } as never, 1)).toEqual([]);
  });

  test('goes on after an orderly end, from where it was', () => {
    const talk = Talk.watching();
    expect(talk.hear({ type: 'put', object: object('a', '11') } as never)).toEqual(['put a']);
    expect(talk.hear({ type: 'bookmark', version: '15' } as never)).toEqual([]);
    talk.now += 1000;
    expect(talk.hear({ type: 'ended' } as never)).toEqual(['watch 15']);
  });

  test('a watch that ends within a second is a failure', () => {
    const talk = Talk.watching();
    talk.now += 999;
    expect(talk.hear({ type: 'ended' } as never)).toEqual([]);
    expect(talk.wait()).toEqual([1200, 'watch 10']);
  });

  test('backs off longer and longer, says so once, and that it is over', () => {
    const talk = Talk.watching();
    expect(talk.fail(500)).toEqual([]);
    expect(talk.wait()).toEqual([1200, 'watch 10']);
    expect(talk.fail(500)).toEqual(['problem']);
    const waits = Array.from({ length: 6 }, () => {
      const [waited] = talk.wait();
      expect(talk.fail(500)).toEqual([]);
      return waited;
    });
    expect(waits).toEqual([2400, 4800, 9600, 19_200, 22_500, 22_500]);
    talk.wait();
    expect(talk.reflector.problem).toBe('status 500');
    talk.hear({ type: 'opened' } as never);
    expect(talk.wait()).toEqual([1000, 'solved']);
    expect(talk.reflector.problem).toBe(undefined);
  });

  test('the first failure of all is a problem at once', () => {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    talk.said();
    expect(talk.fail(403)).toEqual(['problem']);
  });

  test('stays away as long as the server asks', () => {
    const talk = Talk.watching();
    talk.fail(429, 7000);
    expect(talk.wait()[0]).toBe(7875);
  });

  test('lists anew at once when its version is too old, but not again and again', () => {
    const talk = Talk.watching();
    talk.now += 60_000;
    expect(talk.fail(410)).toEqual(['list']);
    expect(talk.page('20', object('b', '12'))).toEqual(['put b', 'delete a', 'synced', 'watch 20']);
    expect(talk.fail(410)).toEqual([]);
    expect(talk.wait()).toEqual([1200, 'list']);
  });

  test('gets credentials anew at once when they are refused, but not again and again', () => {
    const talk = Talk.watching();
    expect(talk.fail(401)).toEqual(['refresh', 'watch 10']);
    expect(talk.fail(401)).toEqual(['refresh']);
    expect(talk.wait()).toEqual([1200, 'watch 10']);
  });

  test('lists anew after silence', () => {
    const talk = Talk.watching();
    talk.now += 100_000;
    talk.hear({ type: 'bookmark', version: '11' } as never);
    expect(talk.wait()).toEqual([SILENCE, 'cancel', 'list']);
  });

  test('ends a watch that the server does not end', () => {
    const talk = Talk.watching();
    for (let minute = 0; minute < 7; minute += 1) {
      talk.now += MINUTE;
      talk.hear({ type: 'bookmark', version: String(11 + minute) } as never);
    }
    expect(talk.wait()).toEqual([45_000, 'cancel', 'watch 17']);
  });

  test('goes on with a list where it failed', () => {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    talk.said();
    talk.hear({ type: 'page', version: '7', objects: [object('a', '3')], next: 'p2' } as never);
    expect(talk.fail(500)).toEqual(['problem']);
    expect(talk.wait()).toEqual([1200, 'list p2']);
    expect(talk.page('7')).toEqual(['solved', 'synced', 'watch 7']);
  });

  test('begins the list anew when the token is too old', () => {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    talk.said();
    talk.hear({ type: 'page', version: '7', objects: [object('a', '3')], next: 'p2' } as never);
    talk.now += 60_000;
    expect(talk.fail(410)).toEqual(['list']);
    expect(talk.page('9')).toEqual(['delete a', 'synced', 'watch 9']);
  });

  test('does not follow empty pages for ever', () => {
    const talk = new Talk();
    talk.reflector.tick(talk.now);
    talk.said();
    const empty = { type: 'page', version: '7', objects: [], next: 'more' };
    const said = Array.from({ length: 10 }, () => talk.hear(empty as never));
    expect(said.at(-2)).toEqual(['list more']);
    expect(said.at(-1)).toEqual(['problem']);
  });

  test('never an older object after a newer one', () => {
    const talk = Talk.watching();
    expect(talk.hear({ type: 'put', object: object('a', '9') } as never)).toEqual([]);
    expect(talk.hear({ type: 'delete', key: 'a', version: '10' } as never)).toEqual([]);
    expect(talk.hear({ type: 'delete', key: 'a', version: '12' } as never)).toEqual(['delete a']);
    expect(talk.hear({ type: 'put', object: object('a', '11') } as never)).toEqual([]);
  });

  test('a list from a server that is behind is refused, from a restored etcd believed', () => {
    const talk = Talk.watching();
    talk.fail(410);
    for (let times = 0; times < 3; times += 1) {
      expect(talk.page('9', object('a', '4')).filter((said) => said !== 'problem')).toEqual([]);
      talk.wait();
    }
    const believed = talk.page('9', object('a', '4'));
    expect(believed).toEqual(['put a', 'solved', 'synced', 'watch 9']);
  });

  test('another object under the same name is a deletion first', () => {
    const talk = Talk.watching();
    talk.fail(410);
    const said = talk.page('20', object('a', '12', 'other'));
    expect(said).toEqual(['delete a', 'put a', 'synced', 'watch 20']);
  });

  test('knows the uid of what it has shown', () => {
    expect(Talk.watching().reflector.uidOf('a')).toBe('uid-a');
  });

  test('whatever the server does: converges, never goes back, asks seldom', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 90 }), (seed, percent) => {
        const random = seeded(seed);
        const server = new ModelServer(random);
        const client = new ModelClient(server, random);
        server.faults = percent / 100;
        let now = 0;
        for (let step = 0; step < 100; step += 1) {
          if (random() < 0.7) server.mutate();
          if (random() < 0.1) server.compact();
          client.run(now, (now += 10 ** (1 + random() * 4)));
        }
        server.faults = 0;
        client.run(now, (now += 10 * MINUTE));
        expect(client.complaints).toEqual([]);
        expect(Object.fromEntries(client.seen)).toEqual(Object.fromEntries(server.state()));
        expect(client.reflector.problem).toBe(undefined);
        expect(mostInOneMinute(client.requests)).toBeLessThan(60);
      }),
      { numRuns: 300 },
    );
  });
});

/** Pages of one list are one request; ten objects make three. */
function mostInOneMinute(requests: readonly number[]): number {
  return Math.max(
    ...requests.map((from) => requests.filter((at) => at >= from && at < from + MINUTE).length),
  );
}

describe('a server that only does one thing', () => {
  const worst = (react: (output: ReflectorOutput) => [number, object][]): number => {
    const reflector = new Reflector('Service', seeded(1));
    const requests: number[] = [];
    let due: { at: number; input: ReflectorInput }[] = [];
    for (let now = 0; now < 10 * MINUTE;) {
      const timer = reflector.deadline() ?? Infinity;
      due.sort((a, b) => a.at - b.at);
      const next = due[0];
      now = Math.max(now, Math.min(timer, next?.at ?? Infinity));
      if (next !== undefined && next.at <= timer) {
        due = due.slice(1);
        reflector.handle(next.input, now);
      } else reflector.tick(now);
      for (let out = reflector.poll(); out !== undefined; out = reflector.poll()) {
        if (out.type !== 'list' && out.type !== 'watch') continue;
        const { attempt } = out;
        requests.push(now);
        for (const [after, input] of react(out)) {
          due.push({ at: now + after, input: { ...input, attempt } as ReflectorInput });
        }
      }
    }
    return mostInOneMinute(requests);
  };
  const list = { type: 'page', objects: [], version: '7', next: undefined };
  const failed = { type: 'failed', retryAfter: undefined, message: 'no' };

  test.each<[string, number, (output: ReflectorOutput) => [number, object][]]>([
    ['refuses', 10, () => [[0, { ...failed, status: 500 }]]],
    ['does not know us', 10, () => [[0, { ...failed, status: 401 }]]],
    ['is always too new', 12, () => [[0, { ...failed, status: 410 }]]],
    [
      'lists, and is then too new',
      20,
      ({ type }) => [[0, type === 'list' ? list : { ...failed, status: 410 }]],
    ],
    [
      'ends every watch at once',
      10,
      ({ type }) =>
        type === 'list'
          ? [[0, list]]
          : [
              [0, { type: 'opened' }],
              [1, { type: 'ended' }],
            ],
    ],
    [
      'ends every watch after a second',
      62,
      ({ type }) =>
        type === 'list'
          ? [[0, list]]
          : [
              [0, { type: 'opened' }],
              [1000, { type: 'ended' }],
            ],
    ],
    [
      'breaks every watch after ten seconds',
      8,
      ({ type }) =>
        type === 'list'
          ? [[0, list]]
          : [
              [0, { type: 'opened' }],
              [10_000, { ...failed, status: undefined }],
            ],
    ],
    ['sends empty pages', 70, () => [[0, { ...list, next: 'more' }]]],
    ['never answers', 2, () => []],
  ])('%s: at most %i requests a minute', (_, most, react) => {
    expect(worst(react)).toBeLessThanOrEqual(most);
  });
});

describe('backoff', () => {
  test('is from 0.8 to 30 seconds', () => {
    const waits = [1, 2, 3, 6, 20].map((failures) => [
      backoff(failures, undefined, () => 0),
      backoff(failures, undefined, () => 1),
    ]);
    expect(waits).toEqual([
      [800, 1600],
      [1600, 3200],
      [3200, 6400],
      [15_000, 30_000],
      [15_000, 30_000],
    ]);
  });

  test('is no shorter than asked for, up to five minutes', () => {
    expect(backoff(1, 10_000, () => 0)).toBe(10_000);
    expect(backoff(1, 1e9, () => 0)).toBe(300_000);
    expect(backoff(20, 1000, () => 0)).toBe(15_000);
  });
});

describe('isOlder', () => {
  test.each([
    ['9', '10', true],
    ['10', '9', false],
    ['10', '10', false],
    ['99999999999999999998', '99999999999999999999', true],
    ['a1', 'b2', false],
    ['', '7', false],
  ])('%s before %s: %s', (a, b, older) => {
    expect(isOlder(a, b)).toBe(older);
  });
});
