/**
 * The world outside the cluster: pages that a client gets, and who answers for an address on the
 * wire.
 */
import { httpGet, whoHas } from '../../lab/probe.ts';
import type { Installation } from './installation.ts';

const PAGE_MS = 400;
const ANSWER_MS = 300;

export class Client {
  readonly #cluster: Installation;

  constructor(cluster: Installation) {
    this.#cluster = cluster;
  }

  /** Undefined: no answer. */
  async page(url: string): Promise<string | undefined> {
    return (await httpGet(this.#cluster.client.namespace, url, PAGE_MS))?.body.trim();
  }

  /** Waits for so many different pages, and says which. */
  pages(url: string, count: number, withinMs?: number): Promise<readonly string[]> {
    const seen = new Set<string>();
    const look = async (): Promise<readonly string[] | false> => {
      const text = await this.page(url);
      if (text !== undefined) seen.add(text);
      return seen.size >= count && [...seen].toSorted();
    };
    return this.#cluster.until(`${count} different answers from ${url}`, look, withinMs);
  }

  /** The node that answers for the address, by its MAC on the wire. */
  async ownerOf(ip: string): Promise<string | undefined> {
    const mac = await whoHas(this.#cluster.client, ip, ANSWER_MS);
    return this.#cluster.nodes.find((node) => node.mac === mac)?.name;
  }

  /** Waits for one, other than that. */
  owned(ip: string, other?: string): Promise<string> {
    const whose = other === undefined ? 'somebody' : `another than ${other}`;
    return this.#cluster.until(`${whose} to answer for ${ip}`, async () => {
      const owner = await this.ownerOf(ip);
      return owner !== other && owner;
    });
  }

  silent(ip: string): Promise<boolean> {
    return this.#cluster.until(
      `nobody to answer for ${ip}`,
      async () => (await whoHas(this.#cluster.client, ip, ANSWER_MS)) === undefined,
    );
  }

  /** Asks everybody on the wire that often, once a second: who answered, for each answer. */
  async voices(ip: string, times: number): Promise<readonly string[]> {
    const argv = ['arping', '-b', `-c${times}`, `-w${times}`, '-I', 'eth0', ip];
    const options = { timeoutMs: (times + 5) * 1000 };
    const { stdout } = await this.#cluster.client.namespace.exec(argv, options);
    return [...stdout.matchAll(/reply from \S+ \[([0-9A-F:]{17})\]/g)].map(([, mac = '']) => {
      const from = this.#cluster.nodes.find((node) => node.mac === mac.toLowerCase());
      return from?.name ?? mac;
    });
  }
}
