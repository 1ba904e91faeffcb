/**
 * The one door to pkijs and asn1js, which make X.509 certificates (RFC 5280); Node.js only reads
 * them. Loaded when one is to be made, for most installations never do.
 *
 * Elliptic keys (P-256) and one level of authority. Alternatives not taken: @peculiar/x509 brings
 * twenty packages and a global polyfill, node-forge has no elliptic keys.
 */
import { webcrypto } from 'node:crypto';
import { Integer, OctetString, Utf8String } from 'asn1js';
import {
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  CryptoEngine,
  ExtKeyUsage,
  Extension,
  GeneralName,
  GeneralNames,
  setEngine,
} from 'pkijs';
import type { KeyPair } from './tls.ts';

const DAY_MS = 86_400_000;
/** Clocks of machines need not agree to the second. */
const EARLIER_MS = 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;

const OID = {
  commonName: '2.5.4.3',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  server: '1.3.6.1.5.5.7.3.1',
} as const;

/** GeneralName, RFC 5280 4.2.1.6. */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

export interface Request {
  readonly commonName: string;
  readonly days: number;
  readonly now: Date;
}

export interface ServerRequest extends Request {
  /** DNS names that the server answers to. */
  readonly names: readonly string[];
  /** Likewise addresses, as bytes. */
  readonly addresses?: readonly Uint8Array[];
}

/** A new one, which signs itself. */
export async function makeAuthority(request: Request): Promise<KeyPair> {
  const extensions = [extension(OID.basicConstraints, true, new BasicConstraints({ cA: true }))];
  const keys = await newKeys();
  const certificate = await draft(request, keys.publicKey, extensions);
  certificate.issuer = certificate.subject;
  await certificate.sign(keys.privateKey, 'SHA-256');
  return pairOf(certificate, keys.privateKey);
}

export async function makeServer(authority: KeyPair, request: ServerRequest): Promise<KeyPair> {
  const dns = request.names.map((value) => new GeneralName({ type: DNS_NAME, value }));
  const ips = (request.addresses ?? []).map((bytes) => {
    const value = new OctetString({ valueHex: new Uint8Array(bytes).buffer });
    return new GeneralName({ type: IP_ADDRESS, value });
  });
  const extensions = [
    extension(OID.extendedKeyUsage, false, new ExtKeyUsage({ keyPurposes: [OID.server] })),
    extension(OID.subjectAltName, false, new GeneralNames({ names: [...dns, ...ips] })),
  ];
  const keys = await newKeys();
  const certificate = await draft(request, keys.publicKey, extensions);
  certificate.issuer = Certificate.fromBER(derOf(authority.cert, 'CERTIFICATE')).subject;
  await certificate.sign(await privateKeyOf(authority.key), 'SHA-256');
  return pairOf(certificate, keys.privateKey);
}

async function draft(
  { commonName, days, now }: Request,
  key: webcrypto.CryptoKey,
  extensions: Extension[],
): Promise<Certificate> {
  const certificate = new Certificate();
  certificate.version = 2;
  certificate.serialNumber = new Integer({ valueHex: serialNumber() });
  certificate.subject.typesAndValues = [
    new AttributeTypeAndValue({
      type: OID.commonName,
      value: new Utf8String({ value: commonName }),
    }),
  ];
  certificate.notBefore.value = new Date(now.getTime() - EARLIER_MS);
  certificate.notAfter.value = new Date(now.getTime() + days * DAY_MS);
  certificate.extensions = extensions;
  engine();
  await certificate.subjectPublicKeyInfo.importKey(key);
  return certificate;
}

let isEngineSet = false;

function engine(): void {
  if (isEngineSet) return;
  isEngineSet = true;
  setEngine('node', new CryptoEngine({ name: 'node', crypto: webcrypto }));
}

interface Schematic {
  toSchema(): { toBER(sizeOnly?: boolean): ArrayBuffer };
}

function extension(extnID: string, critical: boolean, value: Schematic): Extension {
  return new Extension({ extnID, critical, extnValue: value.toSchema().toBER(false) });
}

/** Positive, 16 octets, never the same twice. */
function serialNumber(): ArrayBuffer {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.buffer;
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function privateKeyOf(text: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', derOf(text, 'PRIVATE KEY'), ALGORITHM, false, [
    'sign',
  ]);
}

async function pairOf(certificate: Certificate, key: webcrypto.CryptoKey): Promise<KeyPair> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  return {
    cert: pem('CERTIFICATE', certificate.toSchema(true).toBER(false)),
    key: pem('PRIVATE KEY', pkcs8),
  };
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** Of the first block of that label; an empty one if there is none, which no reader takes. */
function derOf(text: string, label: string): ArrayBuffer {
  const block = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END`).exec(text)?.[1] ?? '';
  return new Uint8Array(Buffer.from(block, 'base64')).buffer;
}
