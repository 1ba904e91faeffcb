/**
 * A kind as the API server wants it: a CustomResourceDefinition. Twice: guarded by rules in CEL
 * (API servers from 1.31 on), and bare, for older ones, which would refuse such a CRD as a whole.
 */
import { pluralOf } from '../../kube/location.ts';
import * as z from './checker.ts';
import { GUARD } from './field.ts';
import type { Guard } from './field.ts';
import type { Kind, Version } from './kind.ts';

/** Part of a CRD's `openAPIV3Schema`; only what our CRDs and the reference page use. */
export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  enum?: readonly string[];
  required?: readonly string[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
  'x-kubernetes-validations'?: readonly unknown[];
}

export type Rules = 'guarded' | 'bare';

export function definition({ kind, group, versions }: Kind, about: string, rules: Rules): object {
  const plural = pluralOf(kind);
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      scope: 'Namespaced',
      ...(versions.length > 1 ? { conversion: { strategy: 'None' } } : {}),
      versions: versions.map((version) => ({
        name: version.name,
        served: true,
        storage: version === versions.at(-1),
        ...(version.warning === undefined
          ? {}
          : { deprecated: true, deprecationWarning: version.warning }),
        ...(version.columns.length > 0 ? { additionalPrinterColumns: version.columns } : {}),
        schema: { openAPIV3Schema: objectSchema(version, about, rules) },
        ...(version.status === undefined ? {} : { subresources: { status: {} } }),
      })),
    },
  };
}

function objectSchema(version: Version, about: string, rules: Rules): object {
  const { spec, status, specNeeded } = version;
  const whole: Record<string, unknown> = {
    description: about,
    type: 'object',
    ...(specNeeded ? { required: ['spec'] } : {}),
    ...version.rules,
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...(spec === undefined ? {} : { spec: jsonSchema(spec, rules) }),
      ...(status === undefined ? {} : { status: jsonSchema(status, rules) }),
    },
  };
  replaceGuard(whole, rules);
  return whole;
}

export function jsonSchema(shape: z.ZodType, rules: Rules): JsonSchema {
  const made = z.toJSONSchema(shape, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ jsonSchema: node }) => {
      // The bounds of JavaScript's whole numbers mean nothing to a user; those of int64 are tacit.
      if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
      if (node.maximum === Number.MAX_SAFE_INTEGER) delete node.maximum;
      if (node.type === 'integer')
        node.format = (node.maximum ?? 2 ** 32) < 2 ** 31 ? 'int32' : 'int64';
      // The API server drops them, so that every `kubectl apply` would change something.
      if (Object.keys(node.properties ?? { some: 1 }).length === 0) delete node.properties;
      replaceGuard(node, rules);
    },
  });
  return made as JsonSchema;
}

function replaceGuard(node: Record<string, unknown>, rules: Rules): void {
  const guard = node[GUARD] as Guard | undefined;
  delete node[GUARD];
  if (guard === undefined || rules === 'bare') return;
  Object.assign(node, guard.limits);
  if (guard.rules.length > 0) node['x-kubernetes-validations'] = guard.rules;
}
