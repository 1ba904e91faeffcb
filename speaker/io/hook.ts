/**
 * Hangs the responder on a link's ingress: by a tcx link (Linux 6.6, and the kernels it was
 * carried back to), which ends with the process and comes before all other programs; else by a
 * clsact filter of the same program, which stays behind a process that was killed and is silent
 * when the lease ends. Which one is found by trying, never by the kernel's version.
 */
import { getSystemErrorName } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Mended } from '../dataplane.ts';
import type { LinkIndex } from '../links.ts';
import { explainPlane } from '../planeerror.ts';
import { deleteFilter, newClsact, newFilter } from '../rtnetlink.ts';
import { attachTcx, tcxInterface } from './bpfcall.ts';
import type { Native } from './native.ts';
import type { RouteRequests } from './netlink.ts';

/** `auto` tries tcx first; the others are for tests and for kernels that misbehave. */
export type AttachMode = 'auto' | 'tcx' | 'clsact';

/** How kernels without tcx answer BPF_LINK_CREATE. */
const NO_TCX: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOSYS']);
/** How a link without our filter, or without any qdisc, answers its removal. */
const NO_FILTER: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV', 'EOPNOTSUPP']);

export class Hook {
  readonly #native: Native;
  readonly #requests: RouteRequests;
  readonly #program: number;
  #mode: AttachMode;
  /** The tcx link's descriptor, or 'filter'. */
  readonly #hung = new Map<LinkIndex, number | 'filter'>();

  constructor(native: Native, requests: RouteRequests, program: number, mode: AttachMode) {
    this.#native = native;
    this.#requests = requests;
    this.#program = program;
    this.#mode = mode;
  }

  attached(index: LinkIndex): boolean {
    return this.#hung.has(index);
  }

  attach(index: LinkIndex): Result<void, string> {
    if (this.#hung.has(index)) return ok(undefined);
    // A filter that an earlier process left would answer beside us, with its old lease.
    if (this.#mode !== 'clsact') this.#removeFilter(index);
    if (this.#mode === 'clsact') return this.#attachFilter(index);
    const fd = attachTcx(this.#native, this.#program, index);
    if (fd >= 0) {
      this.#hung.set(index, fd);
      return ok(undefined);
    }
    const code = getSystemErrorName(fd);
    if (this.#mode === 'tcx' || !NO_TCX.has(code)) return err(explainPlane('tcx', code));
    const filtered = this.#attachFilter(index);
    // Only a success proves that the kernel has no tcx; a vanished link must not decide it.
    if (filtered.ok) this.#mode = 'clsact';
    return filtered;
  }

  detach(index: LinkIndex): Result<void, string> {
    const hung = this.#hung.get(index);
    this.#hung.delete(index);
    if (typeof hung === 'number') this.#native.close(hung);
    return hung === 'filter' ? this.#removeFilter(index) : ok(undefined);
  }

  /**
   * Puts back what somebody else took away: a removed qdisc (other agents clean up what they do
   * not know), a detached tcx link. By link; links where nothing was missing are not named.
   */
  mend(): ReadonlyMap<LinkIndex, Result<Mended, string>> {
    const mended = new Map<LinkIndex, Result<Mended, string>>();
    // Of a copy: attaching anew adds to what is gone through.
    const all = new Map(this.#hung);
    for (const [index, hung] of all) {
      if (hung === 'filter' ? this.#hasFilter(index) : this.#hangs(hung)) continue;
      this.#hung.delete(index);
      if (hung !== 'filter') this.#native.close(hung);
      const attached = this.attach(index);
      mended.set(index, attached.ok ? ok('gone') : attached);
    }
    return mended;
  }

  close(): void {
    for (const index of this.#hung.keys()) this.detach(index);
  }

  #hangs(fd: number): boolean {
    return tcxInterface(this.#native, fd) !== 0;
  }

  /** What may not be made because it is there, is there. */
  #hasFilter(index: LinkIndex): boolean {
    const made = this.#requests.request((n) => newFilter(n, index, this.#program, 'if-missing'));
    return !made.ok && made.error.code === 'EEXIST';
  }

  #attachFilter(index: LinkIndex): Result<void, string> {
    const qdisc = this.#requests.request((sequence) => newClsact(sequence, index));
    if (!qdisc.ok && qdisc.error.code !== 'EEXIST') {
      return err(explainPlane('clsact', qdisc.error.code, qdisc.error.text));
    }
    const filter = this.#requests.request((sequence) => newFilter(sequence, index, this.#program));
    if (!filter.ok) return err(explainPlane('clsact', filter.error.code, filter.error.text));
    this.#hung.set(index, 'filter');
    return ok(undefined);
  }

  /** The qdisc stays: it does nothing without filters, and somebody else may use it by now. */
  #removeFilter(index: LinkIndex): Result<void, string> {
    const removed = this.#requests.request((sequence) => deleteFilter(sequence, index));
    if (removed.ok || NO_FILTER.has(removed.error.code)) return ok(undefined);
    return err(explainPlane('clsact', removed.error.code, removed.error.text));
  }
}
