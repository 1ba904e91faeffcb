/**
 * Opens what a program serves: metrics, probes and its own routes, each where the manifests of the
 * generation it runs under look for them (config/serving.ts).
 */
import { hostname } from 'node:os';
import { bearerGuard } from '../../kube/io/bearer.ts';
import type { Direct } from '../../kube/io/direct.ts';
import { serve, serveProbes } from '../../lib/io/metrics.ts';
import type { Health, Registry, Routes, Shield } from '../../lib/io/metrics.ts';
import { HeldCertificate, followFolder, tlsOptions } from '../../lib/io/tls.ts';
import type { KeyPair, TlsFlags } from '../../lib/io/tls.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { servingOf } from '../serving.ts';
import type { ServingFlags } from '../serving.ts';

export interface Served {
  readonly flags: ServingFlags & TlsFlags & { readonly 'metrics-cert-dir': string };
  /** Where the kubelet asks from. */
  readonly probedFrom: 'loopback' | 'anywhere';
  readonly registry: Registry;
  readonly health: Health;
  readonly routes: Routes;
  /** undefined: there is no API server to ask who may read. */
  readonly direct: Direct | undefined;
}

/** How to end them. The error is one sentence, and then nothing listens. */
export async function openServers(served: Served): Promise<Result<() => void, string>> {
  const { flags, registry, health, routes, direct } = served;
  const { metrics, probes, secure } = servingOf(flags, served.probedFrom);
  const shield = secure ? await shieldOf(flags, direct) : undefined;
  if (shield?.ok === false) return shield;
  const opened = metrics && (await serve(registry, health, metrics, routes, shield?.value));
  if (opened?.ok === false) return opened;
  const probing = probes && (await serveProbes(health, probes));
  if (probing?.ok === false) {
    opened?.value.close();
    return probing;
  }
  return ok(() => {
    for (const server of [opened?.value, probing?.value]) {
      server?.close();
      server?.closeAllConnections();
    }
  });
}

async function shieldOf(
  flags: Served['flags'],
  direct: Direct | undefined,
): Promise<Result<Shield, string>> {
  if (direct === undefined) {
    return err('--metrics-secure=true needs an API server, which knows who may read the metrics');
  }
  const base = tlsOptions(flags);
  if (!base.ok) return base;
  const certificates = new HeldCertificate(base.value);
  const folder = flags['metrics-cert-dir'];
  if (folder === '') certificates.set(await selfMade());
  else {
    const read = followFolder(certificates, folder);
    if (!read.ok) return err(`--metrics-cert-dir ${read.error}`);
  }
  return ok({ certificates, guard: bearerGuard(direct.ask, '/metrics') });
}

/** Nobody can check it, as with MetalLB's: scrapers are told not to. It lives as long as we do. */
async function selfMade(): Promise<KeyPair> {
  const { makeAuthority, makeServer } = await import('../../lib/io/x509.ts');
  const request = { commonName: hostname(), days: 3650, now: new Date() };
  return makeServer(await makeAuthority(request), { ...request, names: [hostname()] });
}
