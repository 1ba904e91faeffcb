/** Lists of selectors and names, which most kinds have: what is wrong in them, whom they mean. */
import { quote } from '../../lib/quote.ts';
import { matches, selectorFaults, selectorText } from '../../kube/selector.ts';
import type { KubeObject, LabelSelector } from '../../kube/objects.ts';
import type { Report } from './report.ts';

/** The schema's selector is the same shape; only its optional fields also admit undefined. */
export function selectorsOf(
  selectors: readonly unknown[] | undefined,
  path: string,
  report: Report,
): readonly LabelSelector[] {
  const list = (selectors ?? []) as readonly LabelSelector[];
  const seen = new Set<string>();
  list.forEach((selector, index) => {
    const here = `${path}[${index}]`;
    reportSelector(selector, here, report);
    const text = selectorText(selector);
    if (seen.has(text)) report(here, 'this selector is there twice; remove one');
    seen.add(text);
  });
  return list;
}

export function reportSelector(selector: LabelSelector, path: string, report: Report): void {
  for (const [inner, message] of selectorFaults(selector)) report(`${path}.${inner}`, message);
}

export function namesOf(
  names: readonly string[] | undefined,
  path: string,
  report: Report,
): readonly string[] {
  const seen = new Set<string>();
  (names ?? []).forEach((name, index) => {
    if (seen.has(name)) report(`${path}[${index}]`, `${quote(name)} is listed twice`);
    seen.add(name);
  });
  return names ?? [];
}

interface PoolChoice {
  readonly ipAddressPools?: readonly string[] | undefined;
  readonly ipAddressPoolSelectors?: readonly unknown[] | undefined;
}

/**
 * The pools that an advertisement means, by name: all of them if it names none. Names that do not
 * exist are ignored, as in MetalLB: the pool may come later.
 */
export function poolsMeant(
  spec: PoolChoice,
  pools: readonly KubeObject[],
  report: Report,
): ReadonlySet<string> {
  const names = new Set(namesOf(spec.ipAddressPools, 'spec.ipAddressPools', report));
  const path = 'spec.ipAddressPoolSelectors';
  const selectors = selectorsOf(spec.ipAddressPoolSelectors, path, report);
  const all = names.size === 0 && selectors.length === 0;
  const meant = pools.filter(
    ({ metadata }) =>
      all ||
      names.has(metadata.name) ||
      selectors.some((selector) => matches(selector, metadata.labels ?? {})),
  );
  return new Set(meant.map(({ metadata }) => metadata.name));
}
