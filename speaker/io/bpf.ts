/**
 * The `bpf` data plane: the kernel answers ARP and NDP at the ingress of each attached link, in
 * about a microsecond and without this process; the process only moves the lease forward, which is
 * one store into memory shared with the kernel. With the guard it also keeps the kernel's own ARP
 * from speaking for addresses of the table. Needs CAP_BPF and CAP_NET_ADMIN.
 */
import { getSystemErrorName } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { DataPlane } from '../dataplane.ts';
import type { Side } from '../clsact.ts';
import type { LinkIndex } from '../links.ts';
import { explainPlane } from '../planeerror.ts';
import { TestRunner } from './bpfcall.ts';
import { Clsact } from './clsact.ts';
import { Hook } from './hook.ts';
import type { AttachMode } from './hook.ts';
import { RouteRequests } from './netlink.ts';
import { frameCounters } from './planetables.ts';
import { openResponder } from './responder.ts';
import type { Responder } from './responder.ts';
import { VipTable } from './viptable.ts';

export interface BpfPlaneOptions {
  readonly attach?: AttachMode;
  readonly guard?: boolean;
}

/** Both sides of a link; without the guard there is nothing at the egress. */
class Hooks {
  readonly #clsact: Clsact;
  readonly #ingress: Hook;
  readonly #egress: Hook | undefined;

  constructor(responder: Responder, requests: RouteRequests, mode: AttachMode, guard: boolean) {
    const { native } = responder;
    this.#clsact = new Clsact(requests);
    const on = (side: Side, program: number): Hook =>
      new Hook(native, this.#clsact, { side, program, mode });
    this.#ingress = on('ingress', responder.program);
    this.#egress = guard ? on('egress', responder.guard) : undefined;
  }

  attached(index: LinkIndex): boolean {
    return this.#ingress.attached(index);
  }

  attach(index: LinkIndex): Result<void, string> {
    const attached = this.#ingress.attach(index);
    if (!attached.ok) return attached;
    // An earlier process may have left a guard.
    if (this.#egress === undefined) {
      this.#clsact.sweep(index, 'egress');
      return ok(undefined);
    }
    const guarded = this.#egress.attach(index);
    if (!guarded.ok) this.#ingress.detach(index);
    return guarded;
  }

  detach(index: LinkIndex): Result<void, string> {
    const unguarded = this.#egress?.detach(index) ?? ok(undefined);
    const detached = this.#ingress.detach(index);
    return detached.ok ? unguarded : detached;
  }

  /** A failure of either side counts, and else the ingress: there the answers come from. */
  mend(): ReturnType<DataPlane['mend']> {
    const mended = new Map(this.#egress?.mend());
    for (const [index, result] of this.#ingress.mend()) {
      if (mended.get(index)?.ok !== false) mended.set(index, result);
    }
    return mended;
  }

  close(): void {
    this.#egress?.close();
    this.#ingress.close();
  }
}

export function openBpfPlane({ attach = 'auto', guard = false }: BpfPlaneOptions = {}): Result<
  DataPlane,
  string
> {
  const opened = openResponder();
  if (!opened.ok) return opened;
  const responder = opened.value;
  const requests = RouteRequests.open(responder.native);
  if (!requests.ok) {
    responder.close();
    return requests;
  }
  const hooks = new Hooks(responder, requests.value, attach, guard);
  const table = new VipTable(responder.tables, { guard });
  const runner = new TestRunner(responder.native);
  return ok({
    name: 'bpf',
    attach(link) {
      const put = table.putLink(link);
      return put.ok ? hooks.attach(link.index) : put;
    },
    detach(index) {
      const removed = table.removeLink(index);
      const detached = hooks.detach(index);
      return removed.ok ? detached : removed;
    },
    apply: (delta) => table.apply(delta),
    renew(until) {
      const deadline = BigInt(Math.max(0, Math.round(until * 1e6)));
      Atomics.store(responder.lease, 0, deadline);
      return ok(undefined);
    },
    send(link, frame) {
      if (!hooks.attached(link))
        return err(`link ${link} is not attached, so nothing is sent there`);
      const { failed, returned } = runner.run(responder.emit, frame, { cb0: link });
      if (failed < 0) return err(explainPlane('send', getSystemErrorName(failed)));
      if (returned < 0) return err(explainPlane('send', getSystemErrorName(returned)));
      // NET_XMIT_DROP and NET_XMIT_CN: the queue had no room.
      return returned > 0 ? err(explainPlane('send', 'ENOBUFS')) : ok(undefined);
    },
    sightings: () => responder.ring.drain(),
    asked: (key) => table.asked(key),
    mend: () => hooks.mend(),
    read: () => table.read(),
    counters: () => new Map([...frameCounters(responder.verdicts), ...table.counters()]),
    close() {
      // Silence first: a filter that cannot be removed must not answer.
      Atomics.store(responder.lease, 0, 0n);
      hooks.close();
      requests.value.close();
      responder.close();
    },
  });
}
