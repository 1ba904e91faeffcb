/**
 * One Ethernet segment: a switch (a bridge in a namespace of its own), nodes and one client.
 *
 *     node1 .100   node2 .101   node3 .102      client .1        control .10
 *       │eth0        │eth0        │eth0           │eth0            ┊ no cable unless asked for
 *       └────────────┴──── br0 ───┴───────────────┴┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┘
 *
 * 192.168.100.0/24 and fd00:100::/64; node i has .100+i, and the same digits in IPv6. Nothing of it
 * touches the machine's own network, so any number of segments run side by side.
 */
import type { Lab, Namespace } from './namespace.ts';

export interface Host {
  readonly name: string;
  readonly namespace: Namespace;
  /** Locally administered; the last byte is the last part of the IPv4 address. */
  readonly mac: string;
  readonly ip4: string;
  readonly ip6: string;
}

export interface SegmentOptions {
  /** 1 to 100; three unless told. */
  readonly nodes?: number;
}

export class Segment {
  readonly nodes: readonly Host[];
  readonly client: Host;
  /** Where a controller runs; it needs no network here unless there is an API server. */
  readonly control: Namespace;
  readonly #switch: Namespace;

  constructor(lab: Lab, options: SegmentOptions = {}) {
    this.#switch = lab.namespace('switch');
    // Bridged frames must not visit netfilter, or the switch would translate addresses.
    if (this.#has('bridge/bridge-nf-call-iptables')) {
      this.#switch.sysctl({
        'bridge/bridge-nf-call-iptables': 0,
        'bridge/bridge-nf-call-ip6tables': 0,
        'bridge/bridge-nf-call-arptables': 0,
      });
    }
    // Snooping off: as on an unmanaged switch, so the demo needs no MLD querier.
    this.#switch.ip('link add br0 type bridge forward_delay 0 mcast_snooping 0', 'link set br0 up');
    this.control = lab.namespace('control');
    this.client = this.#plugIn('client', lab.namespace('client'), 1);
    this.nodes = Array.from({ length: options.nodes ?? 3 }, (_, i) =>
      this.#plugIn(`node${i + 1}`, lab.namespace(`node${i + 1}`), 100 + i),
    );
  }

  node(name: string): Host {
    const found = this.nodes.find((host) => host.name === name);
    if (found === undefined) throw new Error(`no node ${name} on this segment`);
    return found;
  }

  /** Gives `control` a cable and an address: where the control plane of a cluster lives. */
  connectControl(): Host {
    return this.#plugIn('control', this.control, 10);
  }

  /** A second cable for a host: `eth1` there, without addresses and not up yet. */
  addCable({ name, namespace }: Host, mac: string): void {
    this.#switch.ip(
      `link add ${name}b type veth peer name eth1 address ${mac} netns ${namespace.name}`,
      `link set ${name}b master br0 up`,
    );
  }

  /** Pulls the cable: both ends lose carrier, addresses stay. */
  unplug(host: Host): void {
    this.#switch.ip(`link set ${host.name} down`);
  }

  plug(host: Host): void {
    this.#switch.ip(`link set ${host.name} up`);
  }

  /** The decimal digits of the IPv4 host number are those of the IPv6 address too. */
  #plugIn(name: string, namespace: Namespace, byte: number): Host {
    const mac = `02:64:00:00:00:${byte.toString(16).padStart(2, '0')}`;
    const host = {
      name,
      namespace,
      mac,
      ip4: `192.168.100.${byte}`,
      ip6: `fd00:100::${byte}`,
    };
    // Link-local addresses are usable at once: nobody else is on this wire to collide with.
    namespace.sysctl({ 'ipv6/conf/all/accept_dad': 0, 'ipv6/conf/default/accept_dad': 0 });
    this.#switch.ip(
      `link add ${name} type veth peer name eth0 address ${mac} netns ${namespace.name}`,
      `link set ${name} master br0 up`,
    );
    namespace.ip(
      `addr add ${host.ip4}/24 dev eth0`,
      `addr add ${host.ip6}/64 dev eth0 nodad`,
      'link set eth0 up',
    );
    return host;
  }

  #has(key: string): boolean {
    try {
      this.#switch.sysctl({ [key]: 0 });
      return true;
    } catch {
      return false;
    }
  }
}
