/**
 * Who holds an address, or was promised it. Nearly always one, who is then kept without a set.
 */
import type { Family, Ip } from '../net/ip.ts';
import type { Entry } from './entry.ts';

export class Holders {
  readonly #byAddress: Readonly<Record<Family, Map<bigint, Entry | Set<Entry>>>> = {
    4: new Map(),
    6: new Map(),
  };

  of({ family, value }: Ip): readonly Entry[] {
    const found = this.#byAddress[family].get(value);
    if (found === undefined) return NOBODY;
    return found instanceof Set ? [...found] : [found];
  }

  add({ family, value }: Ip, entry: Entry): void {
    const addresses = this.#byAddress[family];
    const found = addresses.get(value);
    if (found === undefined) addresses.set(value, entry);
    else if (found instanceof Set) found.add(entry);
    else if (found !== entry) addresses.set(value, new Set([found, entry]));
  }

  remove({ family, value }: Ip, entry: Entry): void {
    const addresses = this.#byAddress[family];
    const found = addresses.get(value);
    if (found === entry) addresses.delete(value);
    else if (found instanceof Set && found.delete(entry) && found.size === 0) {
      addresses.delete(value);
    }
  }
}

const NOBODY: readonly Entry[] = [];
