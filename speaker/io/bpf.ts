/**
 * The `bpf` data plane: the kernel answers ARP and NDP at the ingress of each attached link, in
 * about a microsecond and without this process; the process only moves the lease forward, which is
 * one store into memory shared with the kernel. Needs CAP_BPF and CAP_NET_ADMIN.
 */
import { getSystemErrorName } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { DataPlane } from '../dataplane.ts';
import { explainPlane } from '../planeerror.ts';
import { VERDICTS } from '../respond.ts';
import { TestRunner } from './bpfcall.ts';
import { Hook } from './hook.ts';
import type { AttachMode } from './hook.ts';
import { RouteRequests } from './netlink.ts';
import { openResponder } from './responder.ts';
import { VipTable } from './viptable.ts';

export interface BpfPlaneOptions {
  readonly attach?: AttachMode;
}

export function openBpfPlane({ attach = 'auto' }: BpfPlaneOptions = {}): Result<DataPlane, string> {
  const opened = openResponder();
  if (!opened.ok) return opened;
  const responder = opened.value;
  const requests = RouteRequests.open(responder.native);
  if (!requests.ok) {
    responder.close();
    return requests;
  }
  const hook = new Hook(responder.native, requests.value, responder.program, attach);
  const table = new VipTable(responder.tables);
  const runner = new TestRunner(responder.native);
  return ok({
    name: 'bpf',
    attach(link) {
      const put = table.putLink(link);
      return put.ok ? hook.attach(link.index) : put;
    },
    detach(index) {
      const removed = table.removeLink(index);
      const detached = hook.detach(index);
      return removed.ok ? detached : removed;
    },
    apply: (delta) => table.apply(delta),
    renew(until) {
      const deadline = BigInt(Math.max(0, Math.round(until * 1e6)));
      Atomics.store(responder.lease, 0, deadline);
      return ok(undefined);
    },
    send(link, frame) {
      if (!hook.attached(link))
        return err(`link ${link} is not attached, so nothing is sent there`);
      const { failed, returned } = runner.run(responder.emit, frame, { cb0: link });
      if (failed < 0) return err(explainPlane('send', getSystemErrorName(failed)));
      if (returned < 0) return err(explainPlane('send', getSystemErrorName(returned)));
      // NET_XMIT_DROP and NET_XMIT_CN: the queue had no room.
      return returned > 0 ? err(explainPlane('send', 'ENOBUFS')) : ok(undefined);
    },
    sightings: () => [],
    asked: () => 0,
    mend: () => hook.mend(),
    read: () => table.read(),
    counters() {
      const counters = new Map<string, bigint>();
      for (const [index, verdict] of VERDICTS.entries()) {
        // `other` is every data packet, which nobody counts.
        if (verdict !== 'other') counters.set(verdict, Atomics.load(responder.verdicts, index));
      }
      for (const [key, count] of table.answered()) counters.set(`answered ${key}`, count);
      return counters;
    },
    close() {
      // Silence first: a filter that cannot be removed must not answer.
      Atomics.store(responder.lease, 0, 0n);
      hook.close();
      requests.value.close();
      responder.close();
    },
  });
}
