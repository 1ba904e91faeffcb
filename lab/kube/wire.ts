/**
 * The addresses of a cluster of the lab, and what has to be routed on top of the segment:
 *
 *     control .10  API server, controller-manager, scheduler        192.168.100.10, fd00:100::10
 *     node1..3     kube-proxy (and a kubelet)                       192.168.100.100-102
 *     Services     10.96.0.0/16, fd00:10:96::/112                   pods of node i: 10.244.i.0/24
 *
 * One cable, the uplink, leads from control to the machine outside, so that kubectl and the tests
 * reach the API server. It is the only thing there; its name and its two addresses come from the
 * lab's name, so that labs run side by side. They are taken out of 198.18.0.0/15 (RFC 2544), which
 * no office network uses and no VPN routes.
 */
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { executeSync } from '../execute.ts';
import { LabFailure } from '../failure.ts';
import type { Namespace } from '../namespace.ts';
import type { Host } from '../segment.ts';

export const SERVICE_RANGES = ['10.96.0.0/16', 'fd00:10:96::/112'] as const;
export const POD_RANGES = ['10.244.0.0/16', 'fd00:10:244::/56'] as const;
/** The first address of each range is the Service `kubernetes`. */
export const KUBERNETES_SERVICE = ['10.96.0.1', 'fd00:10:96::1'] as const;

const UPLINKS = 65_536;

/** The pods of node `i`, from 1. */
export function podRanges(i: number): readonly [string, string] {
  return [`10.244.${i}.0/24`, `fd00:10:244:${i.toString(16)}::/64`];
}

/**
 * Nodes forward, reach each other's pods, and have a default route, which leads nowhere but which
 * kube-proxy, kubelets and programs in the host's network look for. The control plane reaches pods
 * as well (--enable-aggregator-routing).
 */
export function route(control: Host, nodes: readonly Host[]): void {
  for (const { namespace } of nodes) {
    namespace.sysctl({ 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 });
    namespace.ip(`route add default via ${control.ip4}`, `route add default via ${control.ip6}`);
  }
  const lines = (except?: Host): string[] =>
    nodes.flatMap((node, i) => {
      if (node === except) return [];
      const [pods4, pods6] = podRanges(i + 1);
      return [`route add ${pods4} via ${node.ip4}`, `route add ${pods6} via ${node.ip6}`];
    });
  for (const node of nodes) if (nodes.length > 1) node.namespace.ip(...lines(node));
  control.namespace.ip(...lines());
}

/** The name of the uplink on the machine outside; Linux allows 15 characters. */
export function uplinkName(prefix: string): string {
  return `arpeggio-${digest(prefix).toString('hex', 0, 3)}`;
}

/** Lays the cable; the address at which the machine outside reaches `control`. */
export function connectUplink(prefix: string, control: Namespace): string {
  const name = uplinkName(prefix);
  const [outside, inside] = freePair(digest(prefix).readUInt16BE(3));
  ip(`link add ${name} type veth peer name uplink netns ${control.name}`);
  // No IPv6 of its own: nothing else may come over this cable.
  ip(`link set ${name} alias ${prefix} addrgenmode none`);
  ip(`addr add ${outside}/31 dev ${name}`);
  ip(`link set ${name} up`);
  control.ip(`addr add ${inside}/31 dev uplink`, 'link set uplink up');
  return inside;
}

/** Missing is no error: it goes with the namespace at its other end. */
export function removeUplink(prefix: string): void {
  executeSync(['ip', 'link', 'del', uplinkName(prefix)]);
}

/** The first pair from `start` on (RFC 3021, two addresses each) that the machine does not use. */
function freePair(start: number): readonly [string, string] {
  const used = new Set(
    Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),
  );
  for (let n = 0; n < UPLINKS; n += 1) {
    const first = ((start + n) % UPLINKS) * 2;
    const outside = `198.${18 + (first >> 16)}.${(first >> 8) & 255}.${first & 255}`;
    const inside = `198.${18 + (first >> 16)}.${(first >> 8) & 255}.${(first & 255) + 1}`;
    if (!used.has(outside)) return [outside, inside];
  }
  throw new LabFailure('198.18.0.0/15 is full: end some labs with `make lab-down`');
}

function digest(prefix: string): Buffer {
  return createHash('sha256').update(prefix).digest();
}

function ip(line: string): void {
  const done = executeSync(['ip', ...line.split(' ')]);
  if (done.code !== 0) throw new LabFailure(`\`ip ${line}\` failed: ${done.stderr.trim()}`);
}
