/**
 * What must hold for Services and claims, whatever happens: *unique* (no address on two Services
 * that may not share it), *claimed* (no address on a Service that its claim does not name),
 * *sticky* (who asked for nothing else keeps what it has), and at rest *heals*: everybody has an
 * address or a reason, and claims say what statuses say.
 */
import { claimOf, holdingOf } from '../../config/claim.ts';
import type { Service } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { Instant } from '../../lib/time.ts';
import { formatIp } from '../../net/ip.ts';
import { KINDS, shownBy } from './apisource.ts';
import type { Simulation } from './controllers.ts';
import type { Strangers } from './strangers.ts';

/** Without claims a double may last so long. */
const HEALED_WITHIN = 1000;

interface Claim extends KubeObject {
  readonly spec: {
    readonly address: string;
    readonly holders?: readonly { readonly uid: string }[];
    readonly reservedFor?: { readonly namespace: string; readonly name: string };
  };
}

export class Rules {
  readonly complaints: string[] = [];
  /** How often a Service came to show another address. */
  given = 0;
  readonly #simulation: Simulation;
  readonly #strangers: Strangers | undefined;
  /** Since when two Services show the same address. */
  readonly #doubles = new Map<string, Instant>();
  #shown = new Map<string, readonly string[]>();
  /** Uids of Services that ever shared. */
  readonly #sharers = new Set<string>();
  #poolText = '';
  #werePoolsChanged = false;
  #specs = new Map<string, string>();

  /** `strangers`: an address that they have, or had, may be taken from a Service. */
  constructor(simulation: Simulation, strangers?: Strangers) {
    this.#simulation = simulation;
    this.#strangers = strangers;
  }

  say(complaint: string): void {
    const { now } = this.#simulation;
    if (this.complaints.length < 5) this.complaints.push(`${Math.round(now)} ms: ${complaint}`);
  }

  /** After every change. */
  look(): void {
    const services = this.#services();
    for (const service of services) {
      if (sharingOf(service) !== undefined) this.#sharers.add(service.metadata.uid ?? '');
    }
    this.#unique(services);
    if (this.#simulation.circumstances.claims) this.#claimed(services);
    this.#sticky(services);
  }

  #services(): readonly Service[] {
    return [...this.#simulation.source.all(KINDS.service).values()] as unknown as Service[];
  }

  #claim(ip: string): Claim | undefined {
    const claims = [...this.#simulation.source.all(KINDS.claim).values()] as unknown as Claim[];
    return claims.find(({ spec }) => spec.address === ip);
  }

  #unique(services: readonly Service[]): void {
    const { now, circumstances } = this.#simulation;
    const present = new Set<string>();
    services.forEach((a, index) => {
      for (const b of services.slice(index + 1)) {
        const common = shownBy(a).find((ip) => shownBy(b).includes(ip));
        if (common === undefined || mayShare(a, b)) continue;
        const double = `${common} on ${a.metadata.name} and ${b.metadata.name}`;
        present.add(double);
        // Their own change of what they share, not ours.
        const isOurs = sharingOf(a) === undefined || sharingOf(b) === undefined;
        if (circumstances.claims && isOurs && !this.#everShared(a, b))
          this.say(`double: ${double}`);
        const known = this.#doubles.get(double) ?? now;
        const since = this.#isSteady() ? Math.max(known, this.#simulation.disturbedAt) : now;
        this.#doubles.set(double, since);
        if (now - since > HEALED_WITHIN) this.say(`double for ${now - since} ms: ${double}`);
      }
    });
    for (const double of this.#doubles.keys()) {
      if (!present.has(double)) this.#doubles.delete(double);
    }
  }

  /** Nothing keeps a controller from healing. */
  #isSteady(): boolean {
    const { now, outageUntil, replicas, circumstances } = this.#simulation;
    const areRunning = replicas.every((replica) => replica.isRunning);
    const hasLeader = !circumstances.leases || replicas.some((replica) => replica.leads);
    return now >= outageUntil && areRunning && hasLeader;
  }

  #everShared(a: Service, b: Service): boolean {
    return [a, b].some(({ metadata }) => this.#sharers.has(metadata.uid ?? ''));
  }

  #claimed(services: readonly Service[]): void {
    for (const service of services) {
      for (const ip of shownBy(service)) {
        const holders = this.#claim(ip)?.spec.holders ?? [];
        if (holders.some(({ uid }) => uid === service.metadata.uid)) continue;
        this.say(`${service.metadata.name} shows ${ip} without a claim`);
      }
    }
  }

  #sticky(services: readonly Service[]): void {
    const pools = [...this.#simulation.source.all('IPAddressPool').values()];
    const poolText = JSON.stringify(pools.map(({ spec }) => spec));
    if (this.#poolText !== '' && this.#poolText !== poolText) this.#werePoolsChanged = true;
    this.#poolText = poolText;
    const shown = new Map<string, readonly string[]>();
    for (const service of services) {
      const uid = service.metadata.uid ?? '';
      const wish = JSON.stringify([service.spec, service.metadata.annotations?.[SHARE]]);
      const known = this.#specs.get(uid);
      if (known === undefined) this.#specs.set(uid, wish);
      else if (known !== wish) this.#specs.set(uid, 'changed');
      shown.set(uid, shownBy(service));
      const before = this.#shown.get(uid) ?? [];
      if (shownBy(service).some((ip) => !before.includes(ip))) this.given += 1;
      const lost = before.filter((ip) => !shownBy(service).includes(ip));
      if (lost.length === 0 || this.#specs.get(uid) === 'changed') continue;
      if (lost.every((ip) => this.#strangers?.everHad(ip) === true)) continue;
      // Who shares must leave when the other one changes its mind.
      if (this.#sharers.has(uid)) continue;
      if (!this.#werePoolsChanged && this.#simulation.circumstances.claims) {
        this.say(`${service.metadata.name} lost ${lost.join()} for nothing`);
      }
    }
    this.#shown = shown;
  }

  /** When everything has had time to settle. */
  rest(): void {
    this.look();
    const services = this.#services();
    for (const service of services) this.#healed(service);
    if (!this.#simulation.circumstances.claims) return;
    const claims = [...this.#simulation.source.all(KINDS.claim).values()] as unknown as Claim[];
    for (const { spec, metadata } of claims) {
      const holders = (spec.holders ?? []).map(({ uid }) => uid).toSorted();
      const showing = services.filter((service) => shownBy(service).includes(spec.address));
      const uids = showing.map((service) => service.metadata.uid ?? '').toSorted();
      if (holders.join() !== uids.join()) {
        this.say(`claim ${spec.address}: held by ${holders.join()}, shown by ${uids.join()}`);
      }
      const isNeeded = holders.length > 0 || spec.reservedFor !== undefined;
      if (!isNeeded && metadata.labels !== undefined) this.say(`claim ${spec.address} is left`);
    }
  }

  #healed(service: Service): void {
    const claim = claimOf(service);
    const { name } = service.metadata;
    const shown = shownBy(service);
    const condition = service.status?.conditions?.find(({ type }) => type.endsWith('/Allocated'));
    if (claim === undefined) {
      if (shown.length > 0) this.say(`${name} shows an address`);
      return;
    }
    if (condition === undefined) this.say(`${name} has no reason`);
    if (shown.length > 0 !== (condition?.status === 'True')) this.say(`${name} says otherwise`);
    if (condition?.reason === 'AddressBeingReleased') this.say(`${name} waits for ever`);
    const wish = claim.ok ? claim.value.requested.map(formatIp).join() : '';
    if (shown.length > 0 && wish !== '' && shown.join() !== wish) this.say(`${name} has another`);
    const contested = shown.find((ip) => wish === '' && this.#strangers?.has(ip) === true);
    if (contested !== undefined) this.say(`${name} has ${contested}, which a stranger has`);
  }
}

const SHARE = 'metallb.io/allow-shared-ip';

function sharingOf(service: Service): string | undefined {
  return service.metadata.annotations?.[SHARE] || undefined;
}

function mayShare(a: Service, b: Service): boolean {
  const [one, two] = [holdingOf(a), holdingOf(b)];
  if (one.sharing === undefined || one.sharing.key !== two.sharing?.key) return false;
  return !one.ports.some((port) => two.ports.includes(port));
}
