/**
 * metav1.LabelSelector: every stated condition must hold, so an empty selector matches everything.
 * A list of selectors is a list of alternatives; an empty list means "no restriction" wherever
 * MetalLB uses one, which is what `matchesAny` implements.
 */
import { unreachable } from '../lib/assert.ts';
import { quote } from '../lib/quote.ts';
import type { LabelSelector } from './objects.ts';

type Labels = Readonly<Record<string, string>>;

export function matches(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labelOf(labels, key) !== value) return false;
  }
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labelOf(labels, key);
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        // Kubernetes: an absent label is in no set.
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return unreachable(operator);
    }
  });
}

/** Whether one of them matches; an empty list restricts nothing. */
export function matchesAny(selectors: readonly LabelSelector[], labels: Labels): boolean {
  return selectors.length === 0 || selectors.some((selector) => matches(selector, labels));
}

/** What is wrong with a selector, with the path inside it. */
export function selectorFaults(selector: LabelSelector): readonly (readonly [string, string])[] {
  const faults: (readonly [string, string])[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    const path = `matchLabels["${key}"]`;
    if (!isLabelKey(key)) faults.push([path, `${quote(key)} is not a label key`]);
    if (!isLabelValue(value)) faults.push([path, `${quote(value)} cannot be the value of a label`]);
  }
  const seen = new Set<string>();
  (selector.matchExpressions ?? []).forEach((expression, index) => {
    const { key, operator, values = [] } = expression;
    const path = `matchExpressions[${index}]`;
    if (!isLabelKey(key)) faults.push([`${path}.key`, `${quote(key)} is not a label key`]);
    const needsValues = operator === 'In' || operator === 'NotIn';
    if (needsValues && values.length === 0) {
      faults.push([`${path}.values`, `${operator} needs at least one value`]);
    }
    if (!needsValues && values.length > 0) {
      faults.push([`${path}.values`, `${operator} takes no values; remove them`]);
    }
    for (const value of values) {
      if (isLabelValue(value)) continue;
      faults.push([`${path}.values`, `${quote(value)} cannot be the value of a label`]);
    }
    if (new Set(values).size < values.length) {
      faults.push([`${path}.values`, 'a value is listed twice; remove one']);
    }
    const text = expressionText(key, operator, values);
    if (seen.has(text)) faults.push([path, 'this expression is there twice; remove one']);
    seen.add(text);
  });
  return faults;
}

/** Equal texts mean equal selectors, whatever the order of their conditions. */
export function selectorText(selector: LabelSelector): string {
  const labels = Object.entries(selector.matchLabels ?? {}).map(([key, value]) =>
    JSON.stringify([key, value]),
  );
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) =>
    expressionText(key, operator, values ?? []),
  );
  return [...labels.toSorted(), ...expressions.toSorted()].join(' ');
}

function expressionText(key: string, operator: string, values: readonly string[]): string {
  return JSON.stringify([key, operator, ...values.toSorted()]);
}

/** Not `labels[key]` alone: a label may be called `constructor`. */
function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  const name = key.slice(slash + 1);
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const prefixFits = prefix === undefined || (prefix.length <= 253 && PREFIX.test(prefix));
  return prefixFits && name.length <= 63 && NAME.test(name);
}

function isLabelValue(value: string): boolean {
  return value === '' || (value.length <= 63 && NAME.test(value));
}
