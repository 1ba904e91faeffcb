/**
 * Label selectors and lists of names in CEL: what is wrong with them, each fault a sentence that
 * begins with the path, in MetalLB's words where it has some; and whether a selector matches.
 */
import { bind } from './address.ts';

const KEY =
  "'^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'";
const VALUE = "'^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$'";

const labelsOf = (selector: string): string => `${selector}.?matchLabels.orValue({})`;
const expressionsOf = (selector: string): string => `${selector}.?matchExpressions.orValue([])`;
const valuesOf = (expression: string): string => `${expression}.?values.orValue([])`;
const needsValues = (expression: string): string => `${expression}.operator in ['In', 'NotIn']`;

/** Whatever the order of their values. */
function sameExpression(a: string, b: string): string {
  return (
    `${a}.key == ${b}.key && ${a}.operator == ${b}.operator && ` +
    `sets.equivalent(${valuesOf(a)}, ${valuesOf(b)})`
  );
}

/** Whatever the order of their expressions. */
function sameSelector(a: string, b: string): string {
  const within = (x: string, y: string): string =>
    `${expressionsOf(x)}.all(m, ${expressionsOf(y)}.exists(n, ${sameExpression('m', 'n')}))`;
  return `${labelsOf(a)} == ${labelsOf(b)} && ${within(a, b)} && ${within(b, a)}`;
}

/** The first of some texts that is not empty, or the empty one. */
const firstOf = (...texts: readonly string[]): string =>
  bind('f', `[${texts.join(',\n    ')}].filter(t, t != '')`, "f.size() == 0 ? '' : f[0]");

function expressionFault(m: string): string {
  const values = valuesOf(m);
  const isTwice = `!${values}.all(v, ${values}.exists_one(w, w == v))`;
  return firstOf(
    `!${m}.key.matches(${KEY}) ? '.key: "' + ${m}.key + '" is not a label key' : ''`,
    `(${needsValues(m)}) != (${values}.size() > 0) ? ` +
      `'.values: needed for In and NotIn, and must be empty for Exists and DoesNotExist' : ''`,
    `!${values}.all(v, v.matches(${VALUE})) ? '.values: not all can be values of a label' : ''`,
    `${isTwice} ? '.values: duplicate definition of match expression value in label selector' : ''`,
  );
}

function selectorFault(s: string): string {
  const labels = labelsOf(s);
  const all = expressionsOf(s);
  const at = `'.matchExpressions[' + string(${all}.indexOf(m)) + ']' + t`;
  const fault = bind('t', expressionFault('m'), `t == '' ? '' : ${at}`);
  const bad = `${all}.map(m, ${fault}).filter(t, t != '')`;
  const once = `${all}.all(m, ${all}.exists_one(n, ${sameExpression('m', 'n')}))`;
  return firstOf(
    `${labels}.all(k, k.matches(${KEY}) && ${labels}[k].matches(${VALUE})) ? '' : ` +
      "'.matchLabels: not all can be keys and values of labels'",
    bind('b', bad, "b.size() == 0 ? '' : b[0]"),
    `${once} ? '' : '.matchExpressions: duplicate definition of match expressions'`,
  );
}

/** Sentences about the selectors in a list; `path` is its place in the object. */
export function selectorFaults(list: string, path: string, what: string): string {
  const at = (text: string): string => `'${path}[' + string(${text}) + ']`;
  const inner = `${list}.map(s, ${bind(
    't',
    selectorFault('s'),
    `t == '' ? '' : ${at(`${list}.indexOf(s)`)}' + t`,
  )}).filter(t, t != '')`;
  const twice = `${list}.filter(s, !${list}.exists_one(r, ${sameSelector('s', 'r')}))`;
  const place = at(`${list}.lastIndexOf(d[d.size() - 1])`);
  return `${inner} + ${repeated(twice, `${place}: duplicate definition of ${what}'`)}`;
}

/** One sentence about the last, `d[d.size() - 1]`: that one is there for the second time. */
function repeated(twice: string, sentence: string): string {
  return bind('d', twice, `d.size() == 0 ? [] : [${sentence}]`);
}

/** Sentences about the preferences of an L2Advertisement, which may repeat themselves. */
export function preferenceFaults(list: string, path: string): string {
  const at = `'${path}[' + string(${list}.indexOf(s)) + '].preference' + t`;
  const fault = bind('t', selectorFault('s.preference'), `t == '' ? '' : ${at}`);
  return `${list}.map(s, ${fault}).filter(t, t != '')`;
}

/** A sentence about an entry that is there twice. */
export function nameFaults(list: string, path: string, what: string): string {
  const twice = `${list}.filter(x, !${list}.exists_one(y, y == x))`;
  const name = 'd[d.size() - 1]';
  const place = `'${path}[' + string(${list}.lastIndexOf(${name})) + ']: `;
  return repeated(twice, `${place}${what} "' + ${name} + '"'`);
}

function expressionMatches(m: string, labels: string): string {
  const is = (operator: string): string => `${m}.operator == '${operator}'`;
  const has = `(${m}.key in ${labels})`;
  const among = `(${has} && ${labels}[${m}.key] in ${valuesOf(m)})`;
  return `${is('In')} ? ${among} : ${is('NotIn')} ? !${among} : ${is('Exists')} ? ${has} : !${has}`;
}

export function selectorMatches(s: string, labels: string): string {
  const wanted = labelsOf(s);
  return (
    `${wanted}.all(k, k in ${labels} && ${labels}[k] == ${wanted}[k]) && ` +
    `${expressionsOf(s)}.all(m, ${expressionMatches('m', labels)})`
  );
}
