/**
 * rtnetlink requests (linux/rtnetlink.h, tc(8)) that hang a BPF program on a link's clsact qdisc,
 * on either side, and take it off again. Pure: requests to bytes.
 */
import { assert } from '../lib/assert.ts';
import type { LinkIndex } from './links.ts';
import {
  HEADER_BYTES,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  attribute,
  concatenate,
  message,
  view,
  word,
  zeroTerminated,
} from './netlinkmessage.ts';

/** Which way frames go, as the link sees it. */
export type Side = 'ingress' | 'egress';

const RTM_NEWQDISC = 36;
const RTM_DELQDISC = 37;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;

/** linux/pkt_sched.h, pkt_cls.h: TC_H_CLSACT with a minor of 0, and its two sides. */
const CLSACT = 0xfffffff1;
const CLSACT_HANDLE = 0xffff0000;
const PARENT: Readonly<Record<Side, number>> = { ingress: 0xfffffff2, egress: 0xfffffff3 };
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
/** The program's return value is the verdict; there is no separate action. */
const TCA_BPF_FLAG_ACT_DIRECT = 1;
/**
 * Our filter is found again, after a crash too, by its place: first priority, all protocols (3 in
 * network order), and a handle of our own, so that others may share the priority.
 */
const FILTER_INFO = (1 << 16) | 0x0300;
const FILTER_HANDLE = 0x0a49;

/** struct tcmsg: family u8, pads, ifindex s32, handle u32, parent u32, info u32 */
function tc(index: LinkIndex, handle: number, parent: number, info: number): Uint8Array {
  assert(index > 0, `links count from 1, not ${index}`);
  return concatenate([word(0), word(index), word(handle), word(parent), word(info)]);
}

/** Refused with EEXIST where there is one, which is as good. */
export function newClsact(sequence: number, index: LinkIndex): Uint8Array {
  const body = [tc(index, CLSACT_HANDLE, CLSACT, 0), attribute(TCA_KIND, zeroTerminated('clsact'))];
  const flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return message(RTM_NEWQDISC, flags, sequence, concatenate(body));
}

/**
 * `replace` takes the place of a filter that an earlier process left; `if-missing` is refused with
 * EEXIST where there is one.
 */
export function newFilter(
  sequence: number,
  index: LinkIndex,
  side: Side,
  program: number,
  how: 'replace' | 'if-missing' = 'replace',
): Uint8Array {
  const options = concatenate([
    attribute(TCA_BPF_FD, word(program)),
    attribute(TCA_BPF_NAME, zeroTerminated('arpeggio')),
    attribute(TCA_BPF_FLAGS, word(TCA_BPF_FLAG_ACT_DIRECT)),
  ]);
  const body = [
    tc(index, FILTER_HANDLE, PARENT[side], FILTER_INFO),
    attribute(TCA_KIND, zeroTerminated('bpf')),
    attribute(TCA_OPTIONS, options),
  ];
  const flags = NLM_F_ACK | NLM_F_CREATE | (how === 'replace' ? 0 : NLM_F_EXCL);
  return message(RTM_NEWTFILTER, flags, sequence, concatenate(body));
}

export function deleteFilter(sequence: number, index: LinkIndex, side: Side): Uint8Array {
  const body = [
    tc(index, FILTER_HANDLE, PARENT[side], FILTER_INFO),
    attribute(TCA_KIND, zeroTerminated('bpf')),
  ];
  return message(RTM_DELTFILTER, NLM_F_ACK, sequence, concatenate(body));
}

export function dumpFilters(sequence: number, index: LinkIndex, side: Side): Uint8Array {
  return message(RTM_GETTFILTER, NLM_F_DUMP, sequence, tc(index, 0, PARENT[side], 0));
}

/** Whether this part of the answer to `dumpFilters` names a filter, whoever's it is. */
export function namesFilter(datagram: Uint8Array): boolean {
  return datagram.length >= HEADER_BYTES && view(datagram).getUint16(4, true) === RTM_NEWTFILTER;
}

export function deleteClsact(sequence: number, index: LinkIndex): Uint8Array {
  return message(RTM_DELQDISC, NLM_F_ACK, sequence, tc(index, CLSACT_HANDLE, CLSACT, 0));
}
