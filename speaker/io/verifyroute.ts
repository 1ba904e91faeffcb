/**
 * GET /verify?ip=IP[&interface=NAME][&timeout=MILLISECONDS] on the metrics port of a speaker: asks
 * the wire from this node who answers for an address, so that a command line can ask every node.
 *
 * It makes frames, so not everybody may ask: whoever is on this host, or has the secret of the
 * speakers and shows it by a tag over path and query. A tag that somebody overheard asks the same
 * question again, and nothing else; how many are asked at a time is limited.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { tagFits } from '../../lib/io/secret.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { TAG_HEADER } from '../../owners/report.ts';
import { VERIFY_CONTEXT } from '../finding.ts';
import { readNeighbours } from './neighbours.ts';
import { verify } from './verify.ts';
import type { VerifyRequest } from './verify.ts';

export interface VerifyRoute {
  readonly node: string;
  readonly secret: Uint8Array;
  readonly excluded: readonly RegExp[];
  /** Does this node answer for it, by `formatIp`? */
  readonly holds: (ip: string) => boolean;
  /** Names of the other nodes by their InternalIPs; canonical. */
  readonly peers: () => ReadonlyMap<string, string>;
}

const DEFAULT_TIMEOUT = 1000;
const LEAST_TIMEOUT = 100;
const MOST_TIMEOUT = 5000;
const MOST_AT_A_TIME = 4;

export function verifyRoute(route: VerifyRoute): RequestListener {
  let running = 0;
  const answer = async (request: IncomingMessage): Promise<readonly [number, string]> => {
    const { socket, url = '', headers } = request;
    const { [TAG_HEADER]: tag } = headers;
    if (!mayAsk(socket.remoteAddress, url, tag, route.secret)) return [403, `${REFUSED}\n`];
    const asked = questionOf(url, route);
    if (!asked.ok) return [400, `${asked.error}\n`];
    if (running >= MOST_AT_A_TIME) return [429, 'too many questions at a time: ask again\n'];
    running += 1;
    try {
      const findings = await verify(asked.value);
      if (!findings.ok) return [503, `${findings.error}\n`];
      return [200, `${JSON.stringify({ node: route.node, findings: findings.value })}\n`];
    } finally {
      running -= 1;
    }
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [status, text] = await answer(request);
    const type = status === 200 ? 'application/json' : 'text/plain; charset=utf-8';
    response.writeHead(status, { 'content-type': type }).end(text);
  };
  return (request, response) => void serve(request, response);
}

const REFUSED = `asked from this host, or with a tag of the speakers' secret in ${TAG_HEADER}`;

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

/** `url`: path and query, as they came. */
export function mayAsk(
  from: string | undefined,
  url: string,
  tag: string | readonly string[] | undefined,
  secret: Uint8Array,
): boolean {
  if (LOOPBACK.test(from ?? '')) return true;
  return typeof tag === 'string' && tagFits(secret, VERIFY_CONTEXT, url, tag);
}

/** As far as this host has resolved them, which is what it takes to exchange heartbeats. */
function namesByMac(peers: ReadonlyMap<string, string>): ReadonlyMap<Mac, string> {
  const names = new Map<Mac, string>();
  const neighbours = readNeighbours();
  for (const { ip, mac } of neighbours.ok ? neighbours.value : []) {
    const name = peers.get(formatIp(ip));
    if (name !== undefined) names.set(mac, name);
  }
  return names;
}

function questionOf(url: string, route: VerifyRoute): Result<VerifyRequest, string> {
  const { searchParams } = new URL(url, 'http://localhost');
  const ip = parseIp(searchParams.get('ip') ?? '');
  if (!ip.ok) return err(`ip: ${ip.error}`);
  const timeout = Number(searchParams.get('timeout') ?? DEFAULT_TIMEOUT);
  if (!(timeout >= LEAST_TIMEOUT && timeout <= MOST_TIMEOUT)) {
    return err(`timeout: give milliseconds from ${LEAST_TIMEOUT} to ${MOST_TIMEOUT}`);
  }
  const { node: self, excluded } = route;
  return ok({
    ip: ip.value,
    interface: searchParams.get('interface') ?? undefined,
    timeout,
    self,
    nodes: namesByMac(route.peers()),
    here: route.holds(formatIp(ip.value)),
    excluded,
  });
}
