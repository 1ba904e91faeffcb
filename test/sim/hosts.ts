/** Hosts on the simulated segment that are none of the cluster's. */
import { arpReply, emitArp, gratuitousRequest, parseArp } from '../../net/arp.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { emitNdp, neighborAdvertisement, parseNdp } from '../../net/ndp.ts';
import type { Stranger } from './cluster.ts';

/** Answers for what `has` says, also to probes. */
export function host(mac: Mac, has: (ip: string) => boolean): Stranger {
  return (frame) => {
    const arp = parseArp(frame);
    if (arp.ok) {
      const { kind, senderIp, targetIp } = arp.value;
      const isQuestion = kind === 'request' && senderIp.value !== targetIp.value;
      if (!isQuestion || !has(formatIp(targetIp))) return [];
      return [emitArp(arpReply(arp.value, mac))];
    }
    const ndp = parseNdp(frame);
    if (!ndp.ok || ndp.value.kind !== 'solicitation') return [];
    if (!has(formatIp(ndp.value.target))) return [];
    return [emitNdp(neighborAdvertisement(ndp.value, mac))];
  };
}

/** What a host broadcasts when it takes an address. */
export function claimOf(text: string, mac: Mac): Uint8Array {
  return emitArp(gratuitousRequest(ipOf(text), mac));
}

export function ipOf(text: string): Ip {
  const ip = parseIp(text);
  if (!ip.ok) throw new Error(ip.error);
  return ip.value;
}
