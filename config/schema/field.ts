/**
 * Fields that several kinds have, and how a rule in CEL is attached to a field.
 *
 * A rule (and the limits that make its cost countable) goes only into the CRDs for API servers
 * from 1.31 on, which know `isIP` and `isCIDR`. It is no part of the check of manifests in a
 * directory: there `parse` says the same with a line number, and without the limits.
 *
 * Rules that compare entries of a list are not here but in admission policies (scripts/policies):
 * the API server bounds a CRD's rules by their worst case, so they would take tight limits on
 * every list, and it counts what a policy really costs.
 */
import * as z from './checker.ts';

export const text = z.string();
export const texts = z.record(text, text);

/** One entry of `x-kubernetes-validations`. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  /** Below the field that carries the rule, such as `.peerAddress`; named in the refusal. */
  readonly fieldPath?: string;
}

/** What the API server needs in order to bound the cost of a rule; MetalLB has none of these. */
export interface Limits {
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Under this key in a field's metadata; never in a CRD. */
export const GUARD = 'x-arpeggio-guard';

export interface Guard {
  readonly limits: Limits;
  readonly rules: readonly Rule[];
}

export function guard(limits: Limits, ...rules: readonly Rule[]): Record<string, unknown> {
  return { [GUARD]: { limits, rules } satisfies Guard };
}

/** A refusal with a fixed sentence. */
export function rule(expression: string, message: string, fieldPath?: string): Rule {
  return { rule: expression, message, ...(fieldPath === undefined ? {} : { fieldPath }) };
}

/** metav1.LabelSelector. */
export const selector = z
  .object({
    matchLabels: texts.optional().describe('Labels that must be there with exactly this value.'),
    matchExpressions: z
      .array(
        z.object({
          key: text.describe('Label key.'),
          operator: z
            .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
            .describe('How the label is compared with `values`.'),
          values: z
            .array(text)
            .optional()
            .describe('For In and NotIn; empty for Exists and DoesNotExist.'),
        }),
      )
      .optional()
      .describe('Conditions that must all hold.'),
  })
  .meta({ 'x-kubernetes-map-type': 'atomic' });

/** Alternatives. */
export const selectors = z.array(selector).optional();

/** Of other objects. */
export const names = z.array(text).optional();

/** Set once by whoever creates the status. */
export const FIXED = guard({}, rule('self == oldSelf', 'Value is immutable'));
