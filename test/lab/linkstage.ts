/**
 * A node whose interfaces come, change and go, with a speaker on it and a client at the far end of
 * each cable; and the changes that a speaker must follow, each with the time from the kernel's news
 * to the first announcement on the wire.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { httpGet } from '../../lab/probe.ts';
import type { Program } from '../../lab/process.ts';
import type { Host } from '../../lab/segment.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { Manifests, startSpeaker } from './manifests.ts';
import { Sniffer } from './sniffer.ts';

export const VIP4 = '192.168.100.240';
export const VIP6 = 'fd00:100::240';
/** Advertised on an interface named lan1 only. */
export const LAN4 = '192.168.100.250';
export const BRIDGE_MAC = '02:64:00:00:09:64';

/** A client, and the MAC of the near end of its cable. */
export interface Cable {
  readonly client: Host;
  readonly sniffer: Sniffer;
  readonly mac: string;
}

/** Between these times, by the wall clock, something was done. */
export interface Done {
  readonly since: number;
  readonly until: number;
}

function doneIn(namespace: Namespace, ...lines: readonly string[]): Done {
  const since = Date.now();
  namespace.ip(...lines);
  return { since, until: Date.now() };
}

export class LinkStage {
  readonly node: Namespace;
  readonly #directory: string;
  readonly #lab: Lab;
  #speaker: Program | undefined;
  #cables = 0;

  private constructor(purpose: string) {
    this.#lab = new Lab(purpose);
    this.node = this.#lab.namespace('node1');
    this.#directory = mkdtempSync(join(tmpdir(), `arpeggio-${purpose}-`));
    // A bridge of which the kernel tells at once: it has its carrier from another port.
    this.node.ip(
      `link add br0 address ${BRIDGE_MAC} type bridge forward_delay 0 mcast_snooping 0`,
      'link add cali0 type veth peer name cali1',
      'link set cali0 master br0 up',
      'link set cali1 up',
      'link set br0 up',
    );
  }

  /** With the speaker serving, and the first cable plugged in as eth0. */
  static async open(purpose: string, ...flags: readonly string[]): Promise<LinkStage> {
    const stage = new LinkStage(purpose);
    try {
      await stage.#start(flags);
    } catch (error) {
      stage.close();
      throw error;
    }
    return stage;
  }

  async #start(flags: readonly string[]): Promise<void> {
    const cable = await this.cable();
    const manifests = new Manifests(this.#directory).node('node1', '192.168.100.100');
    manifests.pool('all', [`${VIP4}/32`, `${VIP6}/128`]).pool('lan', [`${LAN4}/32`], ['lan1']);
    manifests.service('web', [VIP4, VIP6]).service('lan', [LAN4]).write();
    const node = { node: 'node1', namespace: this.node };
    this.#speaker = startSpeaker(this.#lab, { manifests, flags, ...node });
    // A busy machine starts programs slowly.
    await this.speaker.line((line) => line.includes('"Started"'), 60_000, 'it has started');
    this.plug(cable, 'eth0');
    await this.announced(cable, cable.mac, VIP4, 0);
  }

  get speaker(): Program {
    if (this.#speaker === undefined) throw new Error('the speaker has not been started');
    return this.#speaker;
  }

  /** Both ends are at the client until it is plugged in. */
  async cable(): Promise<Cable> {
    const n = this.#cables++;
    const namespace = this.#lab.namespace(`client${n}`);
    const byte = n.toString(16).padStart(2, '0');
    const [far, mac] = [`02:64:00:00:${byte}:01`, `02:64:00:00:${byte}:64`];
    const client = { namespace, mac: far, ip4: `192.168.100.${n + 1}`, ip6: `fd00:100::${n + 1}` };
    namespace.ip(
      `link add eth0 address ${far} type veth peer name near address ${mac}`,
      `addr add ${client.ip4}/24 dev eth0`,
      `addr add ${client.ip6}/64 dev eth0 nodad`,
      'link set eth0 up',
    );
    const host = { name: `client${n}`, ...client };
    return { client: host, sniffer: await Sniffer.start(this.#lab, host, this.#directory), mac };
  }

  plug({ client }: Cable, name: string): Done {
    client.namespace.ip(`link set near netns ${this.node.name} name ${name}`);
    return this.change(`link set ${name} up`);
  }

  /** Changes something on the node. */
  change(...lines: readonly string[]): Done {
    return doneIn(this.node, ...lines);
  }

  /** How many milliseconds after a change an address was announced. */
  async follows(done: Done, cable: Cable, mac: string, ip: string): Promise<number> {
    return (await this.announced(cable, mac, ip, done.since)) - done.until;
  }

  /**
   * When an address was announced from the beginning, after `since`: the first round is one frame,
   * a repeat 200 ms later two; of IPv6, which has one form only, no two others are that close.
   */
  announced({ sniffer }: Cable, mac: string, ip: string, since: number): Promise<number> {
    const look = (): number | undefined => {
      const claims = sniffer.claims(mac, ip).filter(({ at }) => at >= since);
      const begin = claims.find(({ at, text }, i) => {
        const [next, third] = [claims[i + 1], claims[i + 2]];
        if (next === undefined || next.at - at > 800 || text.includes('Reply')) return false;
        return ip.includes(':') || third?.text.includes('Reply') === true;
      });
      return begin?.at;
    };
    const lines = (): string =>
      sniffer
        .claims(mac, ip)
        .map(({ at, text }) => `${(at - since).toFixed(0)} ${text.slice(18)}`)
        .join('\n');
    return this.speaker.until(look, 10_000, `${ip} is announced by ${mac}`).catch((error) => {
      throw new Error(`${String(error)}\n${lines()}`);
    });
  }

  async report(): Promise<SpeakerReport | undefined> {
    const answer = await httpGet(this.node, 'http://127.0.0.1:7472/report');
    return answer && (JSON.parse(answer.body) as SpeakerReport);
  }

  /** Has the node joined the solicited-node group of VIP6 there? */
  joined(link: string): boolean {
    const groups = this.node.execSync(['cat', '/proc/net/igmp6']).stdout;
    return new RegExp(`\\s${link}\\s+ff0200000000000000000001ff000240\\s`).test(groups);
  }

  /** Waits until the report says that an address is answered on these interfaces. */
  async reported(ip: string, interfaces: readonly string[]): Promise<number> {
    const look = async (): Promise<boolean> => {
      const found = (await this.report())?.addresses.find((each) => each.ip === ip);
      return (found?.interfaces ?? []).map(({ name }) => name).join() === interfaces.join();
    };
    await this.speaker.until(look, 10_000, `${ip} is reported on ${interfaces.join()}`);
    return Date.now();
  }

  close(): void {
    this.#lab.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface LinkChange {
  readonly name: string;
  /** Milliseconds from the change to the announcement; leaves eth1 as it was. */
  readonly run: (stage: LinkStage, eth1: Cable) => Promise<number>;
}

/** Changes of eth1, which is there and announced on. */
export const CHANGES: readonly LinkChange[] = [
  {
    name: 'a new interface',
    run: async (stage) => {
      const cable = await stage.cable();
      const took = await stage.follows(stage.plug(cable, 'eth2'), cable, cable.mac, VIP4);
      stage.change('link del eth2');
      return took;
    },
  },
  {
    name: 'an interface is deleted and made anew',
    run: async (stage) => {
      const [old, cable] = [await stage.cable(), await stage.cable()];
      stage.plug(old, 'eth2');
      await stage.reported(VIP4, ['br0', 'eth0', 'eth1', 'eth2']);
      stage.change('link del eth2');
      const took = await stage.follows(stage.plug(cable, 'eth2'), cable, cable.mac, VIP4);
      stage.change('link del eth2');
      return took;
    },
  },
  {
    name: 'another name, which an advertisement names',
    run: async (stage, eth1) => {
      const renamed = stage.change('link set eth1 name lan1');
      const took = await stage.follows(renamed, eth1, eth1.mac, LAN4);
      stage.change('link set lan1 name eth1');
      await stage.reported(LAN4, []);
      return took;
    },
  },
  {
    name: 'another MAC',
    run: async (stage, eth1) => {
      const other = '02:64:00:00:01:99';
      const changed = stage.change(`link set eth1 address ${other}`);
      const took = await stage.follows(changed, eth1, other, VIP6);
      const back = stage.change(`link set eth1 address ${eth1.mac}`);
      await stage.follows(back, eth1, eth1.mac, VIP6);
      return took;
    },
  },
  {
    name: 'an address',
    run: async (stage, eth1) => {
      const added = stage.change('addr add 198.51.100.1/24 dev eth1');
      const took = await stage.follows(added, eth1, eth1.mac, VIP4);
      const gone = stage.change('addr del 198.51.100.1/24 dev eth1');
      await stage.follows(gone, eth1, eth1.mac, VIP4);
      return took;
    },
  },
  {
    name: 'a carrier that comes back',
    run: async (stage, eth1) => {
      const { namespace } = eth1.client;
      namespace.ip('link set eth0 down');
      await stage.reported(VIP4, ['br0', 'eth0']);
      return stage.follows(doneIn(namespace, 'link set eth0 up'), eth1, eth1.mac, VIP4);
    },
  },
  {
    name: 'into a bridge, which answers',
    run: async (stage, eth1) => {
      const enslaved = stage.change('link set eth1 master br0');
      return stage.follows(enslaved, eth1, BRIDGE_MAC, VIP4);
    },
  },
  {
    name: 'out of the bridge',
    run: async (stage, eth1) => {
      stage.change('link set eth1 master br0');
      await stage.reported(VIP4, ['br0', 'eth0']);
      return stage.follows(stage.change('link set eth1 nomaster'), eth1, eth1.mac, VIP4);
    },
  },
];
