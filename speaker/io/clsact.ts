/**
 * Our filters on the clsact qdiscs of links: hung there and taken off, on either side. They outlive
 * a process that is killed, so whatever an earlier one left is found by its place and removed, and
 * the qdisc with it if it was ours and nobody else uses it by now.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import {
  deleteClsact,
  deleteFilter,
  dumpFilters,
  namesFilter,
  newClsact,
  newFilter,
} from '../clsact.ts';
import type { Side } from '../clsact.ts';
import type { LinkIndex } from '../links.ts';
import { explainPlane } from '../planeerror.ts';
import type { RouteRefusal, RouteRequests } from './netlink.ts';

/** How a link without our filter, or without any qdisc, answers its removal. */
const NO_FILTER: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV', 'EOPNOTSUPP']);

export class Clsact {
  readonly #requests: RouteRequests;
  /** Links whose qdisc we made, or an earlier process of ours did. */
  readonly #ours = new Set<LinkIndex>();

  constructor(requests: RouteRequests) {
    this.#requests = requests;
  }

  /** In place of one that an earlier process left. */
  attach(index: LinkIndex, side: Side, program: number): Result<void, string> {
    const qdisc = this.#requests.request((sequence) => newClsact(sequence, index));
    if (!qdisc.ok && qdisc.error.code !== 'EEXIST') return refused(qdisc.error);
    if (qdisc.ok || this.has(index, side, program)) this.#ours.add(index);
    const filter = this.#requests.request((n) => newFilter(n, index, side, program));
    return filter.ok ? filter : refused(filter.error);
  }

  /** What may not be made because it is there, is there; what is missing is made. */
  has(index: LinkIndex, side: Side, program: number): boolean {
    const made = this.#requests.request((n) => newFilter(n, index, side, program, 'if-missing'));
    return !made.ok && made.error.code === 'EEXIST';
  }

  /** No filter, no error. */
  detach(index: LinkIndex, side: Side): Result<void, string> {
    const removed = this.#requests.request((sequence) => deleteFilter(sequence, index, side));
    if (!removed.ok && !NO_FILTER.has(removed.error.code)) return refused(removed.error);
    if (this.#ours.has(index)) this.#removeQdisc(index);
    return ok(undefined);
  }

  /** Before anything of this process hangs there: what is found was left by an earlier one. */
  sweep(index: LinkIndex, side: Side): void {
    const removed = this.#requests.request((sequence) => deleteFilter(sequence, index, side));
    if (!removed.ok) return;
    this.#ours.add(index);
    this.#removeQdisc(index);
  }

  /** One that does nothing is no harm, so a refusal is none. */
  #removeQdisc(index: LinkIndex): void {
    if (this.#isUsed(index, 'ingress') || this.#isUsed(index, 'egress')) return;
    this.#ours.delete(index);
    this.#requests.request((sequence) => deleteClsact(sequence, index));
  }

  #isUsed(index: LinkIndex, side: Side): boolean {
    const answer = this.#requests.dump((sequence) => dumpFilters(sequence, index, side));
    return !answer.ok || answer.value.some(namesFilter);
  }
}

function refused({ code, text }: RouteRefusal): Result<never, string> {
  return err(explainPlane('clsact', code, text));
}
