/** Where metrics and probes are, for the manifests of each generation. */
import { describe, expect, test } from '@jest/globals';
import { parseFlags } from '../../../config/flags.ts';
import { servingOf } from '../../../config/serving.ts';
import type { Serving } from '../../../config/serving.ts';
import { CONTROLLER_FLAGS } from '../../../controller/flags.ts';
import { SPEAKER_FLAGS } from '../../../speaker/flags.ts';

function controller(...argv: string[]): Serving {
  const flags = parseFlags('controller', CONTROLLER_FLAGS, argv);
  if (!flags.ok) throw new Error(flags.error);
  return servingOf(flags.value, 'anywhere');
}

function speaker(environment: Record<string, string>, ...argv: string[]): Serving {
  const flags = parseFlags('speaker', SPEAKER_FLAGS, argv, environment);
  if (!flags.ok) throw new Error(flags.error);
  return servingOf(flags.value, 'loopback');
}

const everywhere = (port: number, flag = '--port'): unknown => ({ host: undefined, port, flag });

describe('a pod', () => {
  test.each([
    ['up to 0.12', ['--port=7472', '--config=config']],
    ['0.13.9', ['--port=7472', '--log-level=info']],
    ['none given', []],
  ])('%s: plain, at every address, with the probes', (_, argv) => {
    expect(controller(...argv)).toEqual({
      metrics: everywhere(7472),
      secure: false,
      probes: undefined,
    });
  });

  test.each([
    ['the port alone', ['--port=9120'], 9120],
    ['a minimum of TLS', ['--tls-min-version=VersionTLS12'], 9120],
    ['a folder, and another port', ['--port', '7472', '-metrics-cert-dir', '/m'], 7472],
    ['asked for', ['--metrics-secure=true', '--port=7000'], 7000],
  ])('from 0.16 on, by %s: HTTPS, and probes for themselves', (_, argv, port) => {
    expect(controller(...argv)).toEqual({
      metrics: everywhere(port),
      secure: true,
      probes: everywhere(17_472, '--health-probe-port'),
    });
  });

  test('old scrapers keep plain HTTP on any port', () => {
    expect(controller('--port=9120', '--metrics-secure=false')).toEqual({
      metrics: everywhere(9120),
      secure: false,
      probes: undefined,
    });
  });

  test('a speaker of 0.16 is probed from its own machine', () => {
    expect(speaker({}, '--port=9120', '--health-probe-port=17473').probes).toEqual({
      host: '127.0.0.1',
      port: 17_473,
      flag: '--health-probe-port',
    });
  });

  test('METALLB_HOST is where the metrics of a speaker are; the command line wins', () => {
    const environment = { METALLB_HOST: '192.0.2.7' };
    expect(speaker(environment, '--port=7472').metrics?.host).toBe('192.0.2.7');
    expect(speaker(environment, '--host=192.0.2.8').metrics?.host).toBe('192.0.2.8');
  });

  test('port 0: none of it', () => {
    const none = controller('--port=0', '--health-probe-port=0');
    expect([none.metrics, none.probes]).toEqual([undefined, undefined]);
  });
});

test('outside of a pod nobody else is served, and a directory knows no bearers', () => {
  expect(controller('--kubeconfig=k').metrics?.host).toBe('127.0.0.1');
  expect(controller('--manifests=m', '--port=9120')).toEqual({
    metrics: { host: '127.0.0.1', port: 9120, flag: '--port' },
    secure: false,
    probes: undefined,
  });
});
