/**
 * How many BPF programs sit on a tcx hook of an interface of this namespace, at the ingress unless
 * told: `attached.ts INTERFACE [egress]`. Asks the kernel itself (BPF_PROG_QUERY), not the
 * product's books.
 */
import { readFileSync } from 'node:fs';
import { loadNative } from '../../speaker/io/native.ts';

const BPF_PROG_QUERY = 16;
const BPF_TCX_INGRESS = 46;
const BPF_TCX_EGRESS = 47;

const native = loadNative();
if (!native.ok) throw new Error(native.error);
const index = Number(readFileSync(`/sys/class/net/${process.argv[2] ?? 'lo'}/ifindex`, 'utf8'));
const attr = new Uint8Array(64);
const view = new DataView(attr.buffer);
view.setUint32(0, index, true);
view.setUint32(4, process.argv[3] === 'egress' ? BPF_TCX_EGRESS : BPF_TCX_INGRESS, true);
const done = native.value.bpf(BPF_PROG_QUERY, attr);
// union bpf_attr, query: prog_cnt is at byte 24.
console.log(done < 0 ? `error ${-done}` : view.getUint32(24, true));
