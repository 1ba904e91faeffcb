/**
 * Takes the first BPF program off the tcx ingress hook of an interface of this namespace, as
 * another agent or `bpftool link detach` would: `detach.ts INTERFACE`. Its owner keeps a link that
 * hangs nowhere.
 */
import { readFileSync } from 'node:fs';
import { loadNative } from '../../speaker/io/native.ts';

const BPF_PROG_QUERY = 16;
const BPF_LINK_GET_FD_BY_ID = 30;
const BPF_LINK_DETACH = 34;
const BPF_TCX_INGRESS = 46;

const loaded = loadNative();
if (!loaded.ok) throw new Error(loaded.error);
const native = loaded.value;
const index = Number(readFileSync(`/sys/class/net/${process.argv[2] ?? 'lo'}/ifindex`, 'utf8'));

type Words = readonly (readonly [offset: number, word: number])[];

function bpf(command: number, words: Words, ...pointers: (number | Uint8Array)[]): number {
  const attr = new Uint8Array(64);
  const view = new DataView(attr.buffer);
  for (const [offset, word] of words) view.setUint32(offset, word, true);
  const done = native.bpf(command, attr, ...pointers);
  if (done < 0) throw new Error(`bpf command ${command}: error ${-done}`);
  return done;
}

// union bpf_attr, query: target_ifindex 0, attach_type 4, prog_ids 16, count 24, link_ids 40.
const links = new Uint8Array(4);
const query: Words = [
  [0, index],
  [4, BPF_TCX_INGRESS],
  [24, 1],
];
bpf(BPF_PROG_QUERY, query, 16, new Uint8Array(4), 40, links);
const fd = bpf(BPF_LINK_GET_FD_BY_ID, [[0, new DataView(links.buffer).getUint32(0, true)]]);
bpf(BPF_LINK_DETACH, [[0, fd]]);
