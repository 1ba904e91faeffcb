/**
 * A policy and its binding as the API server takes them (admissionregistration.k8s.io/v1).
 */
import type { Policy } from './policy.ts';

const API = 'admissionregistration.k8s.io/v1';

/** What was there before is judged again only when its spec changes. */
const CHANGED = 'oldObject == null || object.?spec.orValue({}) != oldObject.?spec.orValue({})';

export function manifests(policy: Policy): readonly object[] {
  const { name, param, warns = false } = policy;
  const paramRef =
    param === undefined
      ? {}
      : {
          paramRef: {
            selector: policy.labels === undefined ? {} : { matchLabels: policy.labels },
            parameterNotFoundAction: 'Allow',
          },
        };
  return [
    {
      apiVersion: API,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: specOf(policy),
    },
    {
      apiVersion: API,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: [warns ? 'Warn' : 'Deny'], ...paramRef },
    },
  ];
}

function specOf({ resources, operations, param, variables, validations, ignores }: Policy): object {
  const conditions = operations.includes('UPDATE')
    ? { matchConditions: [{ name: 'spec-is-new', expression: CHANGED }] }
    : {};
  return {
    failurePolicy: ignores === true ? 'Ignore' : 'Fail',
    ...(param === undefined ? {} : { paramKind: param }),
    matchConstraints: {
      resourceRules: [
        { apiGroups: ['metallb.io'], apiVersions: ['*'], operations, resources, scope: '*' },
      ],
    },
    ...conditions,
    ...(variables.length === 0
      ? {}
      : { variables: variables.map(([name, expression]) => ({ name, expression })) }),
    validations,
  };
}
