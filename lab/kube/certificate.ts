/**
 * X.509 certificates for a cluster that lives for minutes: elliptic keys (P-256), one level of
 * authority, written as DER by hand (RFC 5280, ITU-T X.690), because Node signs and reads
 * certificates but cannot make them.
 *
 * Alternative not taken: the `openssl` program. Forty calls cost half a second of every start of
 * a lab, and this is shorter than their configuration files.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ipToBytes, parseIp } from '../../net/ip.ts';

export interface Credential {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Request {
  /** The user name, in a client certificate. */
  readonly commonName: string;
  /** The group, in a client certificate. */
  readonly organization?: string;
  readonly usages: readonly ('server' | 'client')[];
  /** Addresses and DNS names that a server answers to. */
  readonly names?: readonly string[];
}

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

/** Unused bits; then bits from the left: 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
const SIGN = [7, 0b1000_0000];
const SIGN_CERTIFICATES = [1, 0b0000_0110];

const HOUR_MS = 3_600_000;
/** A kept lab may run for weeks; a year is far from the two-digit limit of UTCTime, 2049. */
const VALID_MS = 365 * 24 * HOUR_MS;

export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly #name: Buffer;
  readonly #key: KeyObject;

  constructor(commonName: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#name = distinguishedName(commonName);
    const extensions = [
      extension(OID.basicConstraints, true, sequence(tlv(0x01, Buffer.from([0xff])))),
      extension(OID.keyUsage, true, tlv(0x03, Buffer.from(SIGN_CERTIFICATES))),
    ];
    this.certificate = this.#sign(this.#name, publicKey, extensions);
  }

  issue(request: Request): Credential {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const usages = request.usages.map((usage) => oid(OID[usage]));
    const extensions = [
      extension(OID.keyUsage, true, tlv(0x03, Buffer.from(SIGN))),
      extension(OID.extendedKeyUsage, false, sequence(...usages)),
    ];
    if (request.names !== undefined) {
      const names = sequence(...request.names.map(alternativeName));
      extensions.push(extension(OID.subjectAltName, false, names));
    }
    const subject = distinguishedName(request.commonName, request.organization);
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { certificate: this.#sign(subject, publicKey, extensions), key };
  }

  /** RFC 5280 4.1. */
  #sign(subject: Buffer, subjectKey: KeyObject, extensions: readonly Buffer[]): string {
    const algorithm = sequence(oid(OID.ecdsaWithSha256));
    const now = Date.now();
    const body = sequence(
      tlv(0xa0, tlv(0x02, Buffer.from([2]))),
      tlv(0x02, serialNumber()),
      algorithm,
      this.#name,
      // An hour back: clocks of machines that share a lab's files need not agree to the second.
      sequence(utcTime(now - HOUR_MS), utcTime(now + VALID_MS)),
      subject,
      subjectKey.export({ type: 'spki', format: 'der' }),
      tlv(0xa3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, this.#key);
    return pem(sequence(body, algorithm, tlv(0x03, Buffer.from([0]), signature)));
  }
}

/** The pair that signs and checks ServiceAccount tokens; no certificate belongs to it. */
export function tokenKeys(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** Positive, 16 octets at most, never the same twice. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

function distinguishedName(commonName: string, organization?: string): Buffer {
  const part = (kind: string, text: string): Buffer =>
    tlv(0x31, sequence(oid(kind), tlv(0x0c, Buffer.from(text))));
  const group = organization === undefined ? [] : [part(OID.organization, organization)];
  return sequence(...group, part(OID.commonName, commonName));
}

/** RFC 5280 4.2.1.6: [2] dNSName, [7] iPAddress. */
function alternativeName(name: string): Buffer {
  const ip = parseIp(name);
  return ip.ok ? tlv(0x87, Buffer.from(ipToBytes(ip.value))) : tlv(0x82, Buffer.from(name));
}

function extension(kind: string, critical: boolean, value: Buffer): Buffer {
  const mark = critical ? [tlv(0x01, Buffer.from([0xff]))] : [];
  return sequence(oid(kind), ...mark, tlv(0x04, value));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

/** X.690 8.19: two arcs in the first octet, the others in base 128; high bit: more follow. */
function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const octets = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift((left % 128) | 128);
    }
    octets.push(...digits);
  }
  return tlv(0x06, Buffer.from(octets));
}

/** YYMMDDHHMMSSZ. */
function utcTime(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\..*$/, '').replace(/\D/g, '').slice(2);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

/** Tag, length, value; X.690 8.1.3: lengths from 128 on are preceded by their own length. */
function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) size.unshift(left % 256);
  const head = length < 128 ? [tag, length] : [tag, 0x80 | size.length, ...size];
  return Buffer.concat([Buffer.from(head), value]);
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
