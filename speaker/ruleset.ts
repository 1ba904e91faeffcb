/**
 * The nftables table of `--forward=nftables`, as text for `nft -f -`: the whole, or only what
 * differs from the table of before. Fixed chains look everything up in sets and maps, so a packet's
 * cost does not grow with the number of Services and a change of one endpoint is a change of a few
 * elements: milliseconds, whatever the size.
 *
 *     services4   192.0.2.1 . tcp . 80 comment "shop/web" : goto tcp4-one-of-2
 *     tcp4        192.0.2.1 . 80 . 0 : 198.51.100.1 . 8080     the endpoints, numbered
 *     tcp4        192.0.2.1 . 80 . 1 : 198.51.100.2 . 8080
 *     masquerade4 192.0.2.1 . tcp . 80                         not with policy Local
 *     addresses4  192.0.2.1                                    refused when nothing translated it
 *
 * Alternative not taken: a chain for each Service with its endpoints in an anonymous map. It reads
 * as well, but loading ten thousand of them takes the kernel 17 s against half a second here.
 */
import { diff } from '../lib/diff.ts';
import { formatIp } from '../net/ip.ts';
import type { Forward } from './forward.ts';

/** What the table contains; without addresses there is no table at all. */
export interface Ruleset {
  /** Elements of each set or map: the key as nft writes it, and what follows it. */
  readonly elements: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Chains that choose one of so many endpoints, with their rule. */
  readonly choices: ReadonlyMap<string, string>;
}

const TABLE = 'inet arpeggio';
/** No error when there is none. */
const REMOVAL = [`add table ${TABLE}`, `delete table ${TABLE}`];
const EMPTY: ReadonlyMap<string, string> = new Map();
export const NO_RULESET: Ruleset = { elements: new Map(), choices: EMPTY };

const FAMILIES = [
  { digit: 4, ip: 'ip', address: 'ipv4_addr' },
  { digit: 6, ip: 'ip6', address: 'ipv6_addr' },
] as const;

const SERVICE = 'inet_proto . inet_service';

/** Lines of the chains that never change. */
const FIXED: readonly string[] = FAMILIES.flatMap(({ digit, ip, address }) => [
  `map services${digit} { type ${address} . ${SERVICE} : verdict; }`,
  ...['tcp', 'udp'].map((protocol) => {
    // No plain type is as wide as a random number.
    const target = `${ip} daddr . ${protocol} dport`;
    return `map ${protocol}${digit} { typeof ${target} . numgen random mod 2 : ${target}; }`;
  }),
  `set masquerade${digit} { type ${address} . ${SERVICE}; }`,
  `set addresses${digit} { type ${address}; }`,
]).concat(
  chain('translate', families(dispatch)),
  hooked('prerouting', 'nat', 'prerouting', 'dstnat', ['jump translate']),
  hooked('output', 'nat', 'output', '-100', ['jump translate']),
  hooked('return-path', 'nat', 'postrouting', 'srcnat', families(masquerade)),
  chain('unserved', families(refusal)),
  hooked('refuse-forward', 'filter', 'forward', 'filter', ['jump unserved']),
  hooked('refuse-output', 'filter', 'output', 'filter', ['jump unserved']),
);

/** The same forwards in any order make equal tables. */
export function rulesetOf(forwards: readonly Forward[]): Ruleset {
  const elements = new Map<string, Map<string, string>>();
  const choices = new Map<string, string>();
  const put = (set: string, key: string, rest: string): void => {
    const keys = elements.get(set);
    if (keys === undefined) elements.set(set, new Map([[key, rest]]));
    else keys.set(key, rest);
  };
  const unique = new Map(forwards.map((one) => [keyOf(one), one]));
  for (const [key, { vip, port, protocol, service, endpoints, keepSource }] of unique) {
    const address = formatIp(vip);
    put(`addresses${vip.family}`, address, '');
    if (endpoints.length === 0) continue;
    const targets = `${protocol.toLowerCase()}${vip.family}`;
    const choice = `${targets}-one-of-${endpoints.length}`;
    choices.set(choice, choose(targets, endpoints.length));
    put(`services${vip.family}`, key, ` comment "${harmless(service)}" : goto ${choice}`);
    if (!keepSource) put(`masquerade${vip.family}`, key, '');
    for (const [i, { ip, port: target }] of endpoints.entries()) {
      put(targets, `${address} . ${port} . ${i}`, ` : ${formatIp(ip)} . ${target}`);
    }
  }
  return { elements, choices };
}

/**
 * One transaction that makes the table `after`: from what it is, or from whatever it may be
 * (`unknown`). Empty when there is nothing to do.
 */
export function transaction(before: Ruleset | 'unknown', after: Ruleset): string {
  if (after.elements.size === 0)
    return before !== 'unknown' && isNone(before) ? '' : textOf(REMOVAL);
  const whole = before === 'unknown' || isNone(before);
  const lines = whole
    ? [...REMOVAL, `table ${TABLE} {`, ...FIXED.map((line) => `  ${line}`), '}']
    : [];
  const old = whole ? NO_RULESET : before;
  const choices = diff(old.choices, after.choices, same);
  for (const [name, rule] of choices.put) {
    lines.push(`add chain ${TABLE} ${name}`, `add rule ${TABLE} ${name} ${rule}`);
  }
  const sets = [...new Set([...old.elements.keys(), ...after.elements.keys()])].toSorted();
  const added: string[] = [];
  for (const set of sets) {
    const keys = old.elements.get(set) ?? EMPTY;
    const { put, remove } = diff(keys, after.elements.get(set) ?? EMPTY, same);
    // An element is never changed in place: the kernel would refuse it as there already.
    const stale = [...remove, ...[...put.keys()].filter((key) => keys.has(key))];
    lines.push(...command('delete', set, stale));
    const fresh = [...put].map(([key, rest]) => key + rest);
    added.push(...command('add', set, fresh));
  }
  lines.push(...added);
  // Last, when nothing goes to them any more.
  for (const name of choices.remove) {
    lines.push(`flush chain ${TABLE} ${name}`, `delete chain ${TABLE} ${name}`);
  }
  return textOf(lines);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function isNone({ elements }: Ruleset): boolean {
  return elements.size === 0;
}

function same(a: string, b: string): boolean {
  return a === b;
}

/** At most one command, with one element per line, as long as the list may be. */
function command(verb: 'add' | 'delete', set: string, keys: readonly string[]): string[] {
  if (keys.length === 0) return [];
  return [`${verb} element ${TABLE} ${set} {\n  ${keys.join(',\n  ')}\n}`];
}

function keyOf({ vip, port, protocol }: Forward): string {
  return `${formatIp(vip)} . ${protocol.toLowerCase()} . ${port}`;
}

/** No manifest may end the comment and write rules; 128 bytes is nft's own limit. */
function harmless(text: string): string {
  return text.replaceAll(/[^\w./-]/g, '?').slice(0, 128);
}

function choose(targets: string, count: number): string {
  const [protocol, ip] = [targets.slice(0, 3), targets.endsWith('4') ? 'ip' : 'ip6'];
  const key = `${ip} daddr . ${protocol} dport . numgen random mod ${count}`;
  return `dnat ${ip} to ${key} map @${targets}`;
}

type FamilyWords = (typeof FAMILIES)[number];

function families(rules: (family: FamilyWords) => string[]): string[] {
  return FAMILIES.flatMap(rules);
}

function dispatch({ digit, ip }: FamilyWords): string[] {
  return [`${ip} daddr . meta l4proto . th dport vmap @services${digit}`];
}

/**
 * The answer must come back through this node, so the endpoint has to see this node's address; but
 * only for connections that this table translated, never for anybody else's.
 */
function masquerade({ digit, ip }: FamilyWords): string[] {
  const original = `ct original ${ip} daddr . meta l4proto . ct original proto-dst`;
  return [`meta l4proto { tcp, udp } ct status dnat ${original} @masquerade${digit} masquerade`];
}

/**
 * A packet that still carries a Service address after translation has nobody to go to. Refusing it
 * tells the client at once; forwarding it would ask this very wire who has the address.
 */
function refusal({ digit, ip }: FamilyWords): string[] {
  const match = `${ip} daddr @addresses${digit}`;
  return [`${match} meta l4proto tcp reject with tcp reset`, `${match} reject`];
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...rules.map((rule) => `  ${rule}`), '}'];
}

function hooked(
  name: string,
  type: string,
  hook: string,
  priority: string,
  rules: readonly string[],
): string[] {
  return chain(name, [`type ${type} hook ${hook} priority ${priority}; policy accept;`, ...rules]);
}
