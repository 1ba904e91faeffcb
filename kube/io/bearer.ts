/**
 * Whether the bearer of a token may read a path that is no object, such as `/metrics`: asked of
 * the API server, first who it is (TokenReview), then what it may (SubjectAccessReview), as
 * MetalLB's HTTPS metrics do. Answers are remembered for a minute, so that a scraper that asks
 * every few seconds costs two requests a minute.
 *
 * Tokens are remembered by their digest only.
 */
import { createHash } from 'node:crypto';
import { monotonic } from '../../lib/io/clock.ts';
import type { Guard, Refusal } from '../../lib/io/metrics.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Ask } from './direct.ts';

const REMEMBER: Millis = 60_000;
/** A refusal may be mended: remembered just long enough that nobody can make us ask in a loop. */
const REMEMBER_REFUSAL: Millis = 5000;
const MOST_REMEMBERED = 256;

interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: Readonly<Record<string, readonly string[]>>;
    };
  };
}

interface AccessReview {
  readonly status?: { readonly allowed?: boolean };
}

interface Known {
  readonly until: Instant;
  readonly verdict: Promise<Refusal | undefined>;
}

export function bearerGuard(ask: Ask, path: string): Guard {
  const known = new Map<string, Known>();
  return (authorization) => {
    const [, token] = /^bearer (\S+)$/i.exec(authorization ?? '') ?? [];
    if (token === undefined) {
      return Promise.resolve(refuse(401, `${path} needs a bearer token`));
    }
    const digest = createHash('sha256').update(token).digest('base64');
    const now = monotonic();
    const before = known.get(digest);
    if (before !== undefined && now < before.until) return before.verdict;
    for (const [key, { until }] of known) if (until <= now) known.delete(key);
    if (known.size >= MOST_REMEMBERED) known.clear();
    const verdict = review(ask, path, token).then((refusal) => {
      if (refusal !== undefined) {
        known.set(digest, { until: monotonic() + REMEMBER_REFUSAL, verdict });
      }
      return refusal;
    });
    known.set(digest, { until: now + REMEMBER, verdict });
    return verdict;
  };
}

async function review(ask: Ask, path: string, token: string): Promise<Refusal | undefined> {
  const authentication = '/apis/authentication.k8s.io/v1';
  const who = await ask({
    method: 'POST',
    path: `${authentication}/tokenreviews`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
  });
  if (!who.ok) return refuse(500, `the token cannot be reviewed: ${who.error.message}`);
  const { authenticated, user = {} } = (who.value as TokenReview).status ?? {};
  if (authenticated !== true) return refuse(401, 'the API server does not know this token');
  const { username, uid, groups, extra } = user;
  const rights = await ask({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, nonResourceAttributes: { path, verb: 'get' } },
    },
  });
  if (!rights.ok) return refuse(500, `rights cannot be reviewed: ${rights.error.message}`);
  const { allowed } = (rights.value as AccessReview).status ?? {};
  if (allowed === true) return undefined;
  return refuse(403, `${username ?? 'nobody'} may not get ${path}; grant it with RBAC`);
}

function refuse(status: Refusal['status'], message: string): Refusal {
  return { status, message };
}
