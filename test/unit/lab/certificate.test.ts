/**
 * Our certificates as others read them: Node's own parser (OpenSSL), and a TLS handshake in which
 * both sides prove who they are.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { Authority, tokenKeys } from '../../../lab/kube/certificate.ts';

const authority = new Authority('authority');
const issuer = new X509Certificate(authority.certificate);

describe('an authority', () => {
  test('is one, by its extensions, and signs itself', () => {
    expect(issuer.ca).toBe(true);
    expect(issuer.subject).toBe('CN=authority');
    expect(issuer.verify(issuer.publicKey)).toBe(true);
    expect(issuer.checkIssued(issuer)).toBe(true);
  });

  test('is valid now and for a year', () => {
    const days = (Date.parse(issuer.validTo) - Date.now()) / 86_400_000;
    expect(Date.parse(issuer.validFrom)).toBeLessThan(Date.now());
    expect(days).toBeGreaterThan(364);
    expect(days).toBeLessThan(366);
  });
});

describe('a certificate', () => {
  const names = ['localhost', '192.0.2.10', '2001:db8::10'];
  const issued = authority.issue({
    commonName: 'system:node:node1',
    organization: 'system:nodes',
    usages: ['server', 'client'],
    names,
  });
  const certificate = new X509Certificate(issued.certificate);

  test('names its user, its group and its usages', () => {
    expect(certificate.subject).toBe('O=system:nodes\nCN=system:node:node1');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(certificate.ca).toBe(false);
  });

  test('is signed by its authority and by no other', () => {
    expect(certificate.checkIssued(issuer)).toBe(true);
    expect(certificate.verify(issuer.publicKey)).toBe(true);
    const other = new X509Certificate(new Authority('authority').certificate);
    expect(certificate.verify(other.publicKey)).toBe(false);
  });

  test('answers to its names, of all three kinds, and to no other', () => {
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('192.0.2.10')).toBe('192.0.2.10');
    expect(certificate.checkIP('2001:db8::10')).toBe('2001:db8::10');
    expect(certificate.checkIP('192.0.2.11')).toBeUndefined();
  });

  test('belongs to its key', () => {
    expect(certificate.checkPrivateKey(createPrivateKey(issued.key))).toBe(true);
  });

  test('never has the serial number of another', () => {
    const another = authority.issue({ commonName: 'another', usages: ['client'] });
    expect(new X509Certificate(another.certificate).serialNumber).not.toBe(
      certificate.serialNumber,
    );
  });
});

test('many names need long lengths', () => {
  const names = Array.from({ length: 300 }, (_, i) => `host-${i}.example.org`);
  const { certificate } = authority.issue({ commonName: 'many', usages: ['server'], names });
  const read = new X509Certificate(certificate);
  expect(read.checkHost('host-299.example.org')).toBe('host-299.example.org');
  expect(read.verify(issuer.publicKey)).toBe(true);
});

test('server and client accept each other', async () => {
  const ca = authority.certificate;
  const asServer = authority.issue({ commonName: 's', usages: ['server'], names: ['127.0.0.1'] });
  const asClient = authority.issue({ commonName: 'c', usages: ['client'] });
  const server = createServer({
    ca,
    cert: asServer.certificate,
    key: asServer.key,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('secureConnection', (socket) => {
    socket.end(`hello ${String(socket.getPeerCertificate().subject.CN)}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { certificate: cert, key } = asClient;
  const socket = connect({ host: '127.0.0.1', port, ca, cert, key });
  try {
    const [said] = (await once(socket, 'data')) as [Buffer];
    expect(said.toString()).toBe('hello c');
    expect(socket.authorized).toBe(true);
  } finally {
    socket.destroy();
    server.close();
  }
});

test('keys for tokens are a pair', () => {
  const { privateKey, publicKey } = tokenKeys();
  expect(privateKey).toMatch(/^-----BEGIN EC PRIVATE KEY-----/);
  const own = createPrivateKey(privateKey).export({ type: 'sec1', format: 'pem' });
  expect(own).toBe(privateKey);
  expect(publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----/);
});
