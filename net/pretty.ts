/**
 * One line per frame in tcpdump's words, for logs, traces and the failures of tests. Takes bytes,
 * not parsed frames, because what deserves a line most is what could not be parsed.
 */
import { parseArp } from './arp.ts';
import type { ArpFrame } from './arp.ts';
import { ETHERTYPE, parseEthernet, vlanId } from './ethernet.ts';
import type { EthernetHeader } from './ethernet.ts';
import { formatIp, sameIp } from './ip.ts';
import { BROADCAST } from './mac.ts';
import type { Mac } from './mac.ts';
import { parseNdp } from './ndp.ts';
import type { NdpFrame } from './ndp.ts';

export function pretty(frame: Uint8Array): string {
  const ethernet = parseEthernet(frame);
  if (!ethernet.ok) return `(${ethernet.error})`;
  const { header } = ethernet.value;
  const arp = parseArp(frame);
  if (arp.ok) return prettyArp(arp.value);
  const ndp = parseNdp(frame);
  if (ndp.ok) return prettyNdp(ndp.value);
  const reason =
    header.type === ETHERTYPE.arp ? arp.error : header.type === ETHERTYPE.ipv6 ? ndp.error : '';
  return prettyOther(header, frame.length, reason);
}

/** `ARP who-has 192.0.2.1 tell 192.0.2.9 (02:64:00:00:00:09)`. */
function prettyArp(frame: ArpFrame): string {
  const target = formatIp(frame.targetIp);
  const sender = formatIp(frame.senderIp);
  const to = addressee(frame.destination);
  if (frame.kind === 'reply') {
    const gratuitous = sameIp(frame.senderIp, frame.targetIp) ? ' (gratuitous)' : '';
    return `ARP reply ${sender} is-at ${frame.senderMac}${gratuitous}${to}`;
  }
  if (frame.senderIp.value === 0n) return `ARP probe ${target} (${frame.senderMac})${to}`;
  if (sender === target) return `ARP announce ${target} (${frame.senderMac})${to}`;
  return `ARP who-has ${target} tell ${sender} (${frame.senderMac})${to}`;
}

/** `NDP advertise 2001:db8::1 is-at 02:64:00:00:00:01 (S O) to 2001:db8::9`. */
function prettyNdp(frame: NdpFrame): string {
  const target = formatIp(frame.target);
  const from = formatIp(frame.from);
  const to = formatIp(frame.to);
  if (frame.kind === 'solicitation') {
    const mac = frame.sourceMac ?? frame.source;
    const verb = frame.from.value === 0n ? 'probe' : 'who-has';
    const tell = frame.from.value === 0n ? '' : ` tell ${from}`;
    const nonce = frame.nonce === undefined ? '' : ' nonce';
    return `NDP ${verb} ${target}${tell} (${mac})${nonce} to ${to}`;
  }
  const flags = [
    frame.router ? 'R' : '',
    frame.solicited ? 'S' : '',
    frame.override ? 'O' : '',
  ].filter((flag) => flag !== '');
  const mac = frame.targetMac ?? frame.source;
  return `NDP advertise ${target} is-at ${mac} (${flags.join(' ')}) to ${to}`;
}

function prettyOther(header: EthernetHeader, bytes: number, reason: string): string {
  const vlan = header.tag === undefined ? '' : ` vlan ${vlanId(header.tag)}`;
  const type = `0x${header.type.toString(16).padStart(4, '0')}`;
  const why = reason === '' ? '' : ` (${reason})`;
  return `${header.source} > ${header.destination}${vlan} type ${type} ${bytes} bytes${why}`;
}

/** Broadcast is the rule for requests, and not worth words. */
function addressee(destination: Mac): string {
  return destination === BROADCAST ? '' : ` to ${destination}`;
}
