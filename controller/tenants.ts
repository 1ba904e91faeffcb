/**
 * The claims that use one address. Each may share it with every other, so one of them answers for
 * all whether a newcomer fits, and its ports are looked up: a thousand tenants cost as one. The
 * sole tenant, which nearly every address has, is kept without any map.
 */
import { quote } from '../lib/quote.ts';
import type { Claim } from '../config/claim.ts';

export class Tenants {
  #sole: Claim | undefined;
  /** With `#ports`: two or more. */
  #many: Map<string, Claim> | undefined;
  /** Who uses which. */
  #ports: Map<string, string> | undefined;

  get count(): number {
    return this.#many?.size ?? (this.#sole === undefined ? 0 : 1);
  }

  /** Any of them; `undefined`: nobody is here. */
  get some(): Claim | undefined {
    return this.#sole ?? this.#many?.values().next().value;
  }

  has(key: string): boolean {
    return this.#sole?.key === key || this.#many?.has(key) === true;
  }

  /** What the claim may share: `clash` with it is undefined. */
  add(claim: Claim): void {
    if (this.#many === undefined && this.#sole === undefined) {
      this.#sole = claim;
      return;
    }
    if (this.#many === undefined) {
      const before = this.#sole;
      this.#sole = undefined;
      this.#many = new Map();
      this.#ports = new Map();
      if (before !== undefined) this.add(before);
    }
    this.#many.set(claim.key, claim);
    for (const port of claim.ports) this.#ports?.set(port, claim.key);
  }

  remove(key: string): void {
    if (this.#sole?.key === key) this.#sole = undefined;
    const ports = this.#many?.get(key)?.ports ?? [];
    for (const port of ports) if (this.#ports?.get(port) === key) this.#ports.delete(port);
    this.#many?.delete(key);
    if (this.#many?.size !== 1) return;
    [this.#sole] = this.#many.values();
    this.#many = undefined;
    this.#ports = undefined;
  }

  /** Whether a claim cannot move in; of itself it is no hindrance. */
  clash(claim: Claim): boolean {
    const other = this.#other(claim);
    return (
      other !== undefined &&
      (!isAlike(claim, other) ||
        claim.ports.some((port) => this.#userOf(port, claim) !== undefined))
    );
  }

  /** The same as the rest of a sentence; names the first by key that is in the way. */
  refusal(claim: Claim): string | undefined {
    if (!this.clash(claim)) return undefined;
    const other = this.#other(claim);
    if (other !== undefined && isAlike(claim, other)) {
      const port = claim.ports.find((each) => this.#userOf(each, claim) !== undefined) ?? '';
      return `is used by ${this.#userOf(port, claim)}, which has the same port ${port}`;
    }
    const all = this.#many === undefined ? [this.#sole] : [...this.#many.values()];
    const others = all.filter((tenant) => tenant !== undefined && tenant.key !== claim.key);
    const first = others.reduce((a, b) =>
      a !== undefined && b !== undefined && b.key < a.key ? b : a,
    );
    return first === undefined ? undefined : whyNot(claim, first);
  }

  #other(claim: Claim): Claim | undefined {
    if (this.#sole !== undefined) return this.#sole.key === claim.key ? undefined : this.#sole;
    for (const [key, tenant] of this.#many ?? []) if (key !== claim.key) return tenant;
    return undefined;
  }

  #userOf(port: string, { key }: Claim): string | undefined {
    const sole = this.#sole?.ports.includes(port) === true ? this.#sole.key : undefined;
    const user = sole ?? this.#ports?.get(port);
    return user === key ? undefined : user;
  }
}

/** MetalLB's rule but for the ports: equal keys, and the same endpoints under Local. */
function isAlike(a: Claim, b: Claim): boolean {
  return (
    a.sharing !== undefined &&
    a.sharing.key === b.sharing?.key &&
    a.sharing.backend === b.sharing.backend &&
    a.externalTrafficPolicy === b.externalTrafficPolicy
  );
}

/** As the rest of a sentence; `tenant` is not alike. */
function whyNot(claim: Claim, tenant: Claim): string {
  const used = `is used by ${tenant.key}`;
  const theirs = tenant.sharing?.key;
  if (claim.sharing === undefined && theirs === undefined) return used;
  if (claim.sharing === undefined) return `${used} under the sharing key ${quote(theirs ?? '')}`;
  if (theirs === undefined) return `${used}, which has no sharing key`;
  if (claim.sharing.key !== theirs) return `${used} under another sharing key, ${quote(theirs)}`;
  if (claim.externalTrafficPolicy !== tenant.externalTrafficPolicy) {
    const policy = tenant.externalTrafficPolicy;
    return `${used}, which shares it only under externalTrafficPolicy ${policy}`;
  }
  return `${used}, whose selector differs; under externalTrafficPolicy Local it must be equal`;
}
