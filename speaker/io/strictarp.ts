/**
 * Watches for strict ARP (speaker/strictarp.ts): looks a moment after links or announced addresses
 * have changed, and every ten seconds at the settings, of whose changes the kernel tells nobody.
 * Costs nothing on a node whose kernel holds none of the addresses.
 */
import { readFileSync } from 'node:fs';
import type { Delta } from '../../lib/diff.ts';
import { formatIp } from '../../net/ip.ts';
import type { ReportedTrouble } from '../../owners/report.ts';
import { unusable } from '../links.ts';
import type { Link, LinkIndex } from '../links.ts';
import { heldElsewhere, strictArpTrouble } from '../strictarp.ts';
import type { ArpSettings, Held } from '../strictarp.ts';

const SETTINGS = '/proc/sys/net/ipv4/conf';

/** Ten thousand addresses come one by one; in milliseconds. */
const SETTLE = 100;
const AGAIN = 10_000;

export class StrictArp {
  readonly #excluded: readonly RegExp[];
  readonly #tell: (troubles: readonly ReportedTrouble[]) => void;
  readonly #links = new Map<LinkIndex, Link>();
  readonly #announced = new Set<string>();
  #held: Held | undefined;
  #said: string | undefined;
  #settling: NodeJS.Timeout | undefined;
  readonly #again: NodeJS.Timeout;

  /** `tell` hears all troubles there are, whenever they change. */
  constructor(
    excluded: readonly RegExp[],
    tell: (troubles: readonly ReportedTrouble[]) => void,
    again = AGAIN,
  ) {
    this.#excluded = excluded;
    this.#tell = tell;
    this.#again = setInterval(() => this.#check(), again).unref();
  }

  put(link: Link): void {
    this.#links.set(link.index, link);
    this.#changed();
  }

  remove(index: LinkIndex): void {
    this.#links.delete(index);
    this.#changed();
  }

  /** What the data plane holds, keyed by address, whether it answers or watches. */
  apply({ put, remove }: Delta<unknown>): void {
    for (const key of remove) this.#announced.delete(key);
    for (const key of put.keys()) this.#announced.add(key);
    this.#changed();
  }

  close(): void {
    clearTimeout(this.#settling);
    clearInterval(this.#again);
  }

  #changed(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#held = this.#look();
      this.#check();
    }, SETTLE).unref();
  }

  /** The same one as long as it is there: what was said does not change with each Service. */
  #look(): Held | undefined {
    const [links, before] = [[...this.#links.values()], this.#held];
    const key = before === undefined ? '' : formatIp(before.ip);
    const same = this.#announced.has(key) ? new Set([key]) : new Set<string>();
    return (
      heldElsewhere(links, same, this.#excluded) ??
      heldElsewhere(links, this.#announced, this.#excluded)
    );
  }

  #check(): void {
    const trouble = this.#held && strictArpTrouble(this.#held, this.#settings());
    if (trouble?.sentence === this.#said) return;
    this.#said = trouble?.sentence;
    this.#tell(trouble === undefined ? [] : [trouble]);
  }

  #settings(): ReadonlyMap<string, ArpSettings> {
    const settings = new Map<string, ArpSettings>();
    const all = { ignore: read('all', 'arp_ignore'), announce: read('all', 'arp_announce') };
    for (const link of this.#links.values()) {
      if (unusable(link, this.#excluded) !== undefined) continue;
      const ignore = read(link.name, 'arp_ignore');
      const announce = read(link.name, 'arp_announce');
      // A link that is just going has no settings any more.
      if (ignore === undefined || announce === undefined) continue;
      settings.set(link.name, {
        ignore: Math.max(all.ignore ?? 0, ignore),
        announce: Math.max(all.announce ?? 0, announce),
      });
    }
    return settings;
  }
}

function read(link: string, setting: string): number | undefined {
  try {
    return Number(readFileSync(`${SETTINGS}/${link}/${setting}`, 'utf8'));
  } catch {
    return undefined;
  }
}
