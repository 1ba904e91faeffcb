/**
 * What an API server asks a webhook, and the answers: whether a change may be made
 * (AdmissionReview), and an object in another version of its kind (ConversionReview). The paths are
 * MetalLB's, from 0.13 on. What is allowed is `admit`'s matter.
 */
import { admit } from '../config/admit.ts';
import type { Change } from '../config/admit.ts';
import type { Sources } from '../config/parse/sources.ts';
import type { KubeObject } from '../kube/objects.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';

export const CONVERT_PATH = '/convert';

const ADMISSION_PATHS: ReadonlySet<string> = new Set(
  [
    'v1beta1-ipaddresspool',
    'v1beta1-l2advertisement',
    'v1beta1-bgpadvertisement',
    'v1beta1-community',
    'v1beta1-bfdprofile',
    'v1beta1-bgppeer',
    'v1beta2-bgppeer',
    // Of 0.13; the kind went away with 0.14.
    'v1beta1-addresspool',
  ].map((kind) => `/validate-metallb-io-${kind}`),
);

export function isAdmissionPath(path: string): boolean {
  return ADMISSION_PATHS.has(path);
}

interface AdmissionReview {
  readonly apiVersion?: string;
  readonly request?: {
    readonly uid?: string;
    readonly operation?: string;
    readonly namespace?: string;
    readonly object?: KubeObject | null;
    readonly oldObject?: KubeObject | null;
  };
}

/** The answer to one AdmissionReview; the error is one sentence about the question. */
export function reviewAdmission(
  question: unknown,
  namespace: string,
  present: Sources,
): Result<object, string> {
  const { apiVersion, request } = (question ?? {}) as AdmissionReview;
  const { uid, operation } = request ?? {};
  const object = operation === 'DELETE' ? request?.oldObject : request?.object;
  if (uid === undefined || !isOperation(operation) || !isObject(object)) {
    return err('this is not an AdmissionReview with a request');
  }
  const { problems, warnings } = judged({ operation, object, namespace }, present);
  const message = problems.map(({ path, message: said }) => `${path}: ${said}`).join('; ');
  const refused = { status: 'Failure', reason: 'Forbidden', code: 403, message };
  const response = {
    uid,
    allowed: problems.length === 0,
    ...(problems.length === 0 ? {} : { status: refused }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  return ok({ apiVersion, kind: 'AdmissionReview', response });
}

function judged(change: Change, present: Sources): ReturnType<typeof admit> {
  const verdict = admit(change, present);
  if (change.object.kind !== 'AddressPool' || change.operation === 'DELETE') return verdict;
  const warning = 'AddressPool is not read any more: write an IPAddressPool';
  return { ...verdict, warnings: [...verdict.warnings, warning] };
}

interface ConversionReview {
  readonly apiVersion?: string;
  readonly request?: {
    readonly uid?: string;
    readonly desiredAPIVersion?: string;
    readonly objects?: readonly KubeObject[];
  };
}

/**
 * The versions of MetalLB's kinds have the same fields as far as they have them, so only the name
 * of the version changes; what the other version does not have, the API server prunes.
 */
export function convert(question: unknown): Result<object, string> {
  const { apiVersion, request } = (question ?? {}) as ConversionReview;
  const { uid, desiredAPIVersion, objects } = request ?? {};
  if (uid === undefined || desiredAPIVersion === undefined || !Array.isArray(objects)) {
    return err('this is not a ConversionReview with a request');
  }
  const inVersion = (object: KubeObject): KubeObject => {
    return { ...object, apiVersion: desiredAPIVersion };
  };
  const convertedObjects = (objects as readonly KubeObject[]).map(inVersion);
  const response = { uid, result: { status: 'Success' }, convertedObjects };
  return ok({ apiVersion, kind: 'ConversionReview', response });
}

function isOperation(text: string | undefined): text is Change['operation'] {
  return text === 'CREATE' || text === 'UPDATE' || text === 'DELETE';
}

function isObject(value: KubeObject | null | undefined): value is KubeObject {
  return typeof value === 'object' && value !== null && typeof value.metadata?.name === 'string';
}
