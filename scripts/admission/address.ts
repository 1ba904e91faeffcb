/**
 * Addresses in CEL, which can neither compare two IPv6 addresses nor bind a name: every address
 * becomes a text of hexadecimal digits, all of one length within a family, so that the order of
 * addresses is the order of texts. A leading `4` or `6` keeps the families apart.
 *
 *     192.0.2.10       4c000020a
 *     2001:db8::1      620010db8000000000000000000000001
 *     192.0.2.0/28     ['4c0000200', '4c000020f']
 *
 * What an argument says is put in several times, so it must be the name of a variable. What is
 * malformed becomes an interval that overlaps nothing: other rules refuse it.
 */

const HEX = "'0123456789abcdef'";
const ZEROS = `'${'0'.repeat(32)}'`;
const ONES = `'${'f'.repeat(32)}'`;

/** The value of an expression under a name, which CEL lacks. */
export function bind(name: string, value: string, inside: string): string {
  return `[${value}].map(${name}, ${inside})[0]`;
}

/** Four digits for each group; `x` stands for the groups that `::` leaves out. */
function digits6(address: string): string {
  const groups = `string(ip(${address})).replace('::', ':x:').split(':').filter(g, g != '')`;
  const left = `${ZEROS}.substring(0, 36 - 4 * p.size())`;
  const padded = `('000' + g).substring(g.size() - 1)`;
  return `'6' + ${bind('p', groups, `p.map(g, g == 'x' ? ${left} : ${padded}).join('')`)}`;
}

function digits4(address: string): string {
  const octet = `${HEX}.charAt(int(o) / 16) + ${HEX}.charAt(int(o) % 16)`;
  return `'4' + ${address}.split('.').map(o, ${octet}).join('')`;
}

function digits(address: string): string {
  return `(${address}.contains(':') ? ${digits6(address)} : ${digits4(address)})`;
}

/** The digit that a prefix of such a length divides, with its free bits at 0 or at 1. */
function divided(digit: string, length: string, ones: boolean): string {
  const step = `[16, 8, 4, 2][${length} % 4]`;
  const low = `d - d % ${step}`;
  const value = ones ? `${low} + ${step} - 1` : low;
  return bind('d', `${HEX}.indexOf(${digit})`, `${HEX}.charAt(${value})`);
}

/** The first or last address, in digits, of the network of that length around an address. */
export function edge(address: string, length: string, last: boolean): string {
  const fill = last ? ONES : ZEROS;
  const whole = `${length} % 4 == 0`;
  const middle = `(${whole} ? '' : ${divided(`${address}.charAt(q)`, length, last)})`;
  const rest = `${fill}.substring(0, ${address}.size() - q - (${whole} ? 0 : 1))`;
  // The family's digit comes first.
  return bind('q', `${length} / 4 + 1`, `${address}.substring(0, q) + ${middle} + ${rest}`);
}

function isRange(entry: string): string {
  const ends = `${entry}.split('-')`;
  return (
    `${ends}.size() == 2 && ${ends}.all(x, isIP(x.trim())) && ` +
    `${ends}[0].contains(':') == ${ends}[1].contains(':')`
  );
}

function ofRange(entry: string): string {
  return `${entry}.split('-').map(x, x.trim()).map(x, ${digits('x')})`;
}

function ofCidr(entry: string): string {
  const both = `[k, ${edge('k', 'c.prefixLength()', true)}]`;
  const first = `[string(c.masked().ip())].map(t, ${digits('t')})[0]`;
  return bind('c', `cidr(${entry})`, bind('k', first, both));
}

/** First and last address of every entry of `spec.addresses`, in digits. */
export function intervals(entries: string): string {
  return `${entries}.map(e,
  e.contains('-')
    ? (${isRange('e')} ? ${ofRange('e')} : ['~', ''])
    : (isCIDR(e) ? ${ofCidr('e')} : ['~', '']))`;
}

export function overlap(a: string, b: string): string {
  return `${a}[0] <= ${b}[1] && ${b}[0] <= ${a}[1]`;
}

/** Those that have addresses: one that was stored before there were rules may end first. */
export function filled(list: string): string {
  return `${list}.map(t, t[0] <= t[1] ? t : ['~', ''])`;
}

/** From the first to the last address of a family that intervals have. */
export function hull(list: string, family: 4 | 6): string {
  const ends = '[f.map(t, t[0]).min(), f.map(t, t[1]).max()]';
  const ofFamily = `${list}.filter(t, t[0].startsWith('${family}'))`;
  return bind('f', ofFamily, `f.size() == 0 ? ['~', ''] : ${ends}`);
}

/** Whether `later` is the address after `earlier`: one digit more, behind it only carries. */
function follows(earlier: string, later: string): string {
  const at = (text: string): string => `${HEX}.indexOf(${text}.charAt(j))`;
  const size = `${earlier}.size()`;
  const behind = (text: string, fill: string): string =>
    `${text}.substring(j + 1) == ${fill}.substring(0, ${size} - j - 1)`;
  return `variables.index.exists(j, j > 0 && j < ${size} &&
  ${earlier}.substring(0, j) == ${later}.substring(0, j) &&
  ${at(later)} == ${at(earlier)} + 1 &&
  ${behind(earlier, ONES)} && ${behind(later, ZEROS)})`;
}

/**
 * Whether a network of that length lies within the interval: that of its first address, that of
 * its last address, or one between the two. Needs `variables.index`.
 */
export function hasNetwork(interval: string, length: string): string {
  const [first, last] = [`${interval}[0]`, `${interval}[1]`];
  const edges = [
    edge('a', length, false),
    edge('a', length, true),
    edge('b', length, false),
    edge('b', length, true),
  ].join(',\n  ');
  const inside = `(a == n[0] && n[1] <= b) || (b == n[3] && a <= n[2]) ||
  (n[0] != n[2] && !${follows('n[1]', 'n[2]')})`;
  return bind('a', first, bind('b', last, bind('n', `[${edges}]`, inside)));
}
