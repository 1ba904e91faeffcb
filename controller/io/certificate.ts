/**
 * The certificate of the webhooks as MetalLB keeps it in a Secret: an authority of our own (ten
 * years) and a server certificate by it (a year), renewed when less than ninety days are left. One
 * that is there is kept, whoever made it, as long as it is good.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { KeyPair } from '../../lib/io/tls.ts';

export interface Certificates {
  readonly authority: KeyPair;
  readonly server: KeyPair;
}

/** `data` of a Secret: base64 by key. */
export type SecretData = Readonly<Record<string, string>>;

const DAY_MS = 86_400_000;
const LEAST_DAYS = 90;
const AUTHORITY = { commonName: 'cert', days: 3650 } as const;
const SERVER_DAYS = 365;

/** What is good of it at that time for a server of those DNS names. */
export function usable(
  data: SecretData,
  names: readonly string[],
  now: Date,
): { readonly authority?: KeyPair; readonly server?: KeyPair } {
  const authority = pairOf(data, 'ca');
  const ca = authority && certificateOf(authority, now);
  if (authority === undefined || ca?.ca !== true) return {};
  const server = pairOf(data, 'tls');
  const own = server && certificateOf(server, now);
  if (server === undefined || own === undefined) return { authority };
  const isIts = own.checkIssued(ca) && own.verify(ca.publicKey);
  const hasNames = names.every((name) => own.checkHost(name) !== undefined);
  return isIts && hasNames ? { authority, server } : { authority };
}

/** Makes what is missing; a server certificate is never older than its authority. */
export async function complete(
  { authority, server }: ReturnType<typeof usable>,
  names: readonly string[],
  now: Date,
): Promise<Certificates> {
  if (authority !== undefined && server !== undefined) return { authority, server };
  const { makeAuthority, makeServer } = await import('../../lib/io/x509.ts');
  const ca = authority ?? (await makeAuthority({ ...AUTHORITY, now }));
  const [commonName = ''] = names;
  return {
    authority: ca,
    server: await makeServer(ca, { days: SERVER_DAYS, commonName, names, now }),
  };
}

export function secretData({ authority, server }: Certificates): SecretData {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    'ca.crt': base64(authority.cert),
    'ca.key': base64(authority.key),
    'tls.crt': base64(server.cert),
    'tls.key': base64(server.key),
  };
}

function pairOf(data: SecretData, name: string): KeyPair | undefined {
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  const pair = { cert: text(`${name}.crt`), key: text(`${name}.key`) };
  return pair.cert === '' || pair.key === '' ? undefined : pair;
}

/** undefined: cannot be read, does not belong to its key, or not for much longer. */
function certificateOf({ cert, key }: KeyPair, now: Date): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(cert);
    const left = certificate.validToDate.getTime() - now.getTime();
    const hasBegun = certificate.validFromDate <= now;
    const isIts = certificate.checkPrivateKey(createPrivateKey(key));
    return hasBegun && isIts && left >= LEAST_DAYS * DAY_MS ? certificate : undefined;
  } catch {
    return undefined;
  }
}
