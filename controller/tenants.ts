/**
 * The claims that use one address. Each may share it with every other, so one of them answers for
 * all whether a newcomer fits, and its ports are looked up: a thousand tenants cost as one.
 */
import type { Claim } from '../config/claim.ts';

export class Tenants {
  readonly #claims = new Map<string, Claim>();
  readonly #ports = new Map<string, string>();

  isEmpty(): boolean {
    return this.#claims.size === 0;
  }

  has(key: string): boolean {
    return this.#claims.has(key);
  }

  /** What the claim may share: its `refusal` is undefined. */
  add(claim: Claim): void {
    this.#claims.set(claim.key, claim);
    for (const port of claim.ports) this.#ports.set(port, claim.key);
  }

  remove(key: string): void {
    for (const port of this.#claims.get(key)?.ports ?? []) this.#ports.delete(port);
    this.#claims.delete(key);
  }

  /** Why a claim cannot move in, as the rest of a sentence; of itself it is no hindrance. */
  refusal(claim: Claim): string | undefined {
    for (const [key, tenant] of this.#claims) {
      if (key === claim.key) continue;
      return cannotShare(claim, tenant) ?? this.#portTaken(claim);
    }
    return undefined;
  }

  #portTaken(claim: Claim): string | undefined {
    for (const port of claim.ports) {
      const key = this.#ports.get(port);
      if (key === undefined || key === claim.key) continue;
      return `is used by ${key}, which has the same port ${port}`;
    }
    return undefined;
  }
}

/** MetalLB's rule but for the ports: equal keys, and the same endpoints under Local. */
function cannotShare(claim: Claim, tenant: Claim): string | undefined {
  const used = `is used by ${tenant.key}`;
  if (claim.sharing === undefined || tenant.sharing?.key !== claim.sharing.key) return used;
  if (claim.externalTrafficPolicy !== tenant.externalTrafficPolicy) {
    const policy = tenant.externalTrafficPolicy;
    return `${used}, which shares it only under externalTrafficPolicy ${policy}`;
  }
  if (claim.sharing.backend === tenant.sharing.backend) return undefined;
  return `${used}, whose selector differs; under externalTrafficPolicy Local it must be equal`;
}
