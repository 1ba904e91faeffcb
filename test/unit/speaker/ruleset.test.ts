/**
 * From forwards to the text of the table, whole or as a difference. A small interpreter of the
 * commands used, as strict as the kernel, says what table a text makes; what the kernel itself
 * makes of it is in test/lab/forward.test.ts.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import type { Forward } from '../../../speaker/forward.ts';
import { NO_RULESET, rulesetOf, transaction } from '../../../speaker/ruleset.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function forward(vip: string, endpoints: readonly string[], more: Partial<Forward> = {}): Forward {
  return {
    service: 'shop/web',
    vip: ip(vip),
    port: 80,
    protocol: 'TCP',
    endpoints: endpoints.map((each) => ({ ip: ip(each), port: 8080 })),
    keepSource: false,
    ...more,
  };
}

const whole = (forwards: readonly Forward[]): string => transaction('unknown', rulesetOf(forwards));
const delta = (before: readonly Forward[], after: readonly Forward[]): string =>
  transaction(rulesetOf(before), rulesetOf(after));

/** What nft and the kernel have made of the texts so far. */
class Kernel {
  table = false;
  fixed = '';
  readonly sets = new Map<string, Map<string, string>>();
  readonly chains = new Map<string, string[]>();

  run(text: string): this {
    const lines = text.split('\n');
    for (let line = lines.shift(); line !== undefined && line !== ''; line = lines.shift()) {
      const [verb = '', kind = '', family, , name = '', ...rest] = line.split(' ');
      if (family !== 'inet' && kind !== 'inet') throw new Error(`not for our table: ${line}`);
      if (verb === 'table') this.#structure(lines);
      else if (kind === 'table') this.#clear(verb === 'add');
      else if (kind === 'element') this.#elements(verb, name, lines);
      else this.#chain(verb, kind, name, rest.join(' '));
    }
    return this;
  }

  #clear(table: boolean): void {
    if (!table && !this.table) throw new Error('no table');
    this.table = table;
    if (table) return;
    this.fixed = '';
    this.sets.clear();
    this.chains.clear();
  }

  #structure(lines: string[]): void {
    const body = lines.splice(0, lines.indexOf('}') + 1);
    this.fixed = body.join('\n');
    this.table = true;
    for (const [, name = ''] of this.fixed.matchAll(/^ {2}(?:map|set) (\S+) /gm)) {
      this.sets.set(name, new Map());
    }
  }

  #elements(verb: string, name: string, lines: string[]): void {
    const set = this.sets.get(name);
    if (set === undefined) throw new Error(`no set ${name}`);
    for (const line of lines.splice(0, lines.indexOf('}') + 1).slice(0, -1)) {
      const [key = '', rest = ''] = line
        .replace(/,$/, '')
        .trim()
        .split(/(?= : | comment)(.*)/);
      if (set.has(key) !== (verb === 'delete')) throw new Error(`${verb} ${name} ${key}`);
      if (verb === 'delete') set.delete(key);
      else set.set(key, rest);
      const target = /goto (\S+)/.exec(rest)?.[1];
      if (target !== undefined && !this.chains.has(target)) throw new Error(`no chain ${target}`);
    }
  }

  #chain(verb: string, kind: string, name: string, rule: string): void {
    const rules = this.chains.get(name);
    if ((rules === undefined) !== (verb === 'add' && kind === 'chain')) {
      throw new Error(`${verb} ${kind} ${name}`);
    }
    if (verb === 'add' && kind === 'rule') rules?.push(rule);
    else if (verb === 'add' || verb === 'flush') this.chains.set(name, []);
    else if (this.#uses(name) || rules?.length !== 0) throw new Error(`${name} is in use`);
    else this.chains.delete(name);
  }

  #uses(chain: string): boolean {
    const sets = [...this.sets.values()];
    return sets.some((set) => set.values().some((rest) => rest.endsWith(` goto ${chain}`)));
  }
}

const address = fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2');
const someForward = fc
  .record({
    vip: address,
    port: fc.constantFrom(53, 80),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    service: fc.constantFrom('shop/web', 'shop/dns'),
    keepSource: fc.boolean(),
    hosts: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
  })
  .map(({ vip, hosts, ...more }) => {
    const prefix = vip.includes(':') ? '2001:db8::1' : '198.51.100.';
    return forward(
      vip,
      hosts.map((host) => `${prefix}${host}`),
      more,
    );
  });
const someForwards = fc.uniqueArray(someForward, {
  selector: ({ vip, port, protocol }) => `${vip.family} ${vip.value} ${port} ${protocol}`,
  maxLength: 8,
});

describe('the whole table', () => {
  test('one forward of each family', () => {
    const forwards = [
      forward('2001:db8::240', ['2001:db8::1']),
      forward('192.0.2.240', ['198.51.100.1', '198.51.100.2']),
    ];
    const kernel = new Kernel().run(whole(forwards));
    expect(Object.fromEntries(kernel.chains)).toEqual({
      'tcp4-one-of-2': ['dnat ip to ip daddr . tcp dport . numgen random mod 2 map @tcp4'],
      'tcp6-one-of-1': ['dnat ip6 to ip6 daddr . tcp dport . numgen random mod 1 map @tcp6'],
    });
    const shown = [...kernel.sets].flatMap(([set, keys]) =>
      [...keys].map(([key, rest]) => `${set}: ${key}${rest}`),
    );
    expect(shown).toEqual([
      'services4: 192.0.2.240 . tcp . 80 comment "shop/web" : goto tcp4-one-of-2',
      'tcp4: 192.0.2.240 . 80 . 0 : 198.51.100.1 . 8080',
      'tcp4: 192.0.2.240 . 80 . 1 : 198.51.100.2 . 8080',
      'masquerade4: 192.0.2.240 . tcp . 80',
      'addresses4: 192.0.2.240',
      'services6: 2001:db8::240 . tcp . 80 comment "shop/web" : goto tcp6-one-of-1',
      'tcp6: 2001:db8::240 . 80 . 0 : 2001:db8::1 . 8080',
      'masquerade6: 2001:db8::240 . tcp . 80',
      'addresses6: 2001:db8::240',
    ]);
  });

  test('without endpoints connections are refused, with Local nothing is masqueraded', () => {
    const { elements } = rulesetOf([
      forward('192.0.2.240', [], { port: 1, protocol: 'UDP' }),
      forward('192.0.2.240', ['198.51.100.1'], { port: 2, protocol: 'UDP', keepSource: true }),
    ]);
    expect([...(elements.get('services4') ?? [])].map(([key]) => key)).toEqual([
      '192.0.2.240 . udp . 2',
    ]);
    expect(elements.has('masquerade4')).toBe(false);
    expect([...(elements.get('addresses4') ?? [])]).toEqual([['192.0.2.240', '']]);
  });

  test('the name of a Service cannot become a rule', () => {
    const text = whole([forward('192.0.2.240', ['198.51.100.1'], { service: 'a/b"\n  drop\n' })]);
    expect(text).toContain(' comment "a/b????drop?" : goto tcp4-one-of-1\n');
  });

  test('nothing wanted takes the table away', () => {
    expect(whole([])).toBe('add table inet arpeggio\ndelete table inet arpeggio\n');
    expect(delta([forward('192.0.2.1', [])], [])).toBe(whole([]));
    expect(transaction(NO_RULESET, NO_RULESET)).toBe('');
  });
});

describe('a difference', () => {
  test('however many, one by one they make the same table as the whole', () => {
    fc.assert(
      fc.property(fc.array(someForwards, { minLength: 1, maxLength: 6 }), (steps) => {
        const kernel = new Kernel();
        let before: readonly Forward[] = [];
        for (const after of steps) {
          kernel.run(delta(before, after));
          expect(kernel).toEqual(new Kernel().run(whole(after)));
          before = after;
        }
      }),
    );
  });

  test('the same forwards in any order, or given twice, are no difference', () => {
    fc.assert(
      fc.property(someForwards, (forwards) => {
        expect(delta(forwards, forwards.toReversed())).toBe('');
        expect(delta(forwards, [...forwards, ...forwards])).toBe('');
      }),
    );
  });

  test('one endpoint among many is a few lines', () => {
    const others = Array.from({ length: 500 }, (_, i) =>
      forward(`192.0.2.${i % 250}`, ['198.51.100.1'], { port: 1000 + i }),
    );
    const before = [...others, forward('192.0.2.1', ['198.51.100.1', '198.51.100.2'])];
    const after = [...others, forward('192.0.2.1', ['198.51.100.1', '198.51.100.3'])];
    expect(delta(before, after)).toBe(`delete element inet arpeggio tcp4 {
  192.0.2.1 . 80 . 1
}
add element inet arpeggio tcp4 {
  192.0.2.1 . 80 . 1 : 198.51.100.3 . 8080
}
`);
  });
});
