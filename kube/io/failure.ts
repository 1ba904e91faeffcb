/** What a refused write means to whoever decides about the next one. */
import type { KubeFailure } from '../kube.ts';
import type { Refusal } from './client.ts';

export function failureOf({ status, reason, message }: Refusal): KubeFailure {
  switch (status) {
    case 409:
      return { kind: reason === 'AlreadyExists' ? 'exists' : 'conflict', message };
    case 404:
      return { kind: 'not-found', message };
    case 401:
    case 403:
      return { kind: 'forbidden', message };
    case 400:
    case 413:
    case 422:
      return { kind: 'invalid', message };
    case undefined:
    default:
      return { kind: 'unavailable', message };
  }
}
