/**
 * Hangs a program on one side of links: by a tcx link (Linux 6.6, and the kernels it was carried
 * back to), which ends with the process and comes before all other programs; else by a clsact
 * filter of the same program, which stays behind a process that was killed and is silent when the
 * lease ends. Which one is found by trying, never by the kernel's version.
 */
import { getSystemErrorName } from 'node:util';
import { monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Instant } from '../../lib/time.ts';
import type { Side } from '../clsact.ts';
import type { Mended } from '../dataplane.ts';
import type { LinkIndex } from '../links.ts';
import { explainPlane } from '../planeerror.ts';
import { attachTcx, detachTcx, firstOnTcx, programId, tcxInterface } from './bpfcall.ts';
import type { Clsact } from './clsact.ts';
import type { Native } from './native.ts';

/** `auto` tries tcx first; the others are for tests and for kernels that misbehave. */
export type AttachMode = 'auto' | 'tcx' | 'clsact';

/** How kernels without tcx answer BPF_LINK_CREATE. */
const NO_TCX: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOSYS']);
/**
 * Somebody who also wants to be first: we displace him about once a second and no more, which is
 * how often `mend` is called, give or take.
 */
const PATIENCE = 900;

export interface HookOptions {
  readonly side: Side;
  readonly program: number;
  readonly mode: AttachMode;
}

export class Hook {
  readonly #native: Native;
  readonly #clsact: Clsact;
  readonly #side: Side;
  readonly #program: number;
  readonly #id: number;
  #mode: AttachMode;
  /** The tcx link's descriptor, or 'filter'. */
  readonly #hung = new Map<LinkIndex, number | 'filter'>();
  readonly #displacedAt = new Map<LinkIndex, Instant>();

  constructor(native: Native, clsact: Clsact, { side, program, mode }: HookOptions) {
    this.#native = native;
    this.#clsact = clsact;
    this.#side = side;
    this.#program = program;
    this.#id = programId(native, program);
    this.#mode = mode;
  }

  attached(index: LinkIndex): boolean {
    return this.#hung.has(index);
  }

  attach(index: LinkIndex): Result<void, string> {
    if (this.#hung.has(index)) return ok(undefined);
    if (this.#mode === 'clsact') return this.#attachFilter(index);
    // A filter that an earlier process left would answer beside us, with its old lease.
    this.#clsact.sweep(index, this.#side);
    const fd = attachTcx(this.#native, this.#program, index, this.#side);
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
    this.#displacedAt.delete(index);
    if (typeof hung === 'number') this.#native.close(hung);
    return hung === 'filter' ? this.#clsact.detach(index, this.#side) : ok(undefined);
  }

  /**
   * Puts back what somebody else took away: a removed qdisc (other agents clean up what they do
   * not know), a detached tcx link; and goes to the head again where another program came before
   * ours, which may end with it what never gets to us. Links that needed nothing are not named.
   */
  mend(): ReadonlyMap<LinkIndex, Result<Mended, string>> {
    const mended = new Map<LinkIndex, Result<Mended, string>>();
    // Of a copy: attaching anew adds to what is gone through.
    for (const [index, hung] of new Map(this.#hung)) {
      const wrong = hung === 'filter' ? this.#filterFault(index) : this.#tcxFault(index, hung);
      if (wrong === undefined) continue;
      if (wrong === 'displaced') this.#displacedAt.set(index, monotonic());
      // The same program cannot hang on a hook twice, so first it goes.
      if (hung !== 'filter') detachTcx(this.#native, hung);
      this.#hung.delete(index);
      const attached = this.attach(index);
      mended.set(index, attached.ok ? ok(wrong) : attached);
    }
    return mended;
  }

  close(): void {
    for (const index of this.#hung.keys()) this.detach(index);
  }

  #filterFault(index: LinkIndex): Mended | undefined {
    return this.#clsact.has(index, this.#side, this.#program) ? undefined : 'gone';
  }

  #tcxFault(index: LinkIndex, fd: number): Mended | undefined {
    if (tcxInterface(this.#native, fd) === 0) return 'gone';
    const first = firstOnTcx(this.#native, index, this.#side);
    if (first <= 0 || first === this.#id) return undefined;
    const since = monotonic() - (this.#displacedAt.get(index) ?? Number.NEGATIVE_INFINITY);
    return since < PATIENCE ? undefined : 'displaced';
  }

  #attachFilter(index: LinkIndex): Result<void, string> {
    const attached = this.#clsact.attach(index, this.#side, this.#program);
    if (attached.ok) this.#hung.set(index, 'filter');
    return attached;
  }
}
