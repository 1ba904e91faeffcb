/**
 * Chooses the data plane by trying, never by the kernel's version: `bpf` if it can be loaded and
 * attached, else `packet`. The attempt to attach is made on the loopback interface, which carries
 * no question of ours: a kernel without tcx and clsact shows itself before an address depends on
 * it.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { DataPlane } from '../dataplane.ts';
import { openBpfPlane } from './bpf.ts';
import type { AttachMode } from './hook.ts';
import { openPacketPlane } from './packet.ts';

export type PlaneChoice = 'auto' | 'bpf' | 'packet';

export interface ChosenPlane {
  readonly plane: DataPlane;
  /** Part of a sentence. */
  readonly why: string;
}

/** Of every network namespace. */
const LOOPBACK = { index: 1, mac: '00:00:00:00:00:00' };

export interface PlaneOptions {
  readonly attach: AttachMode;
  /** Of the bpf plane only: packet sockets cannot take frames away from the kernel. */
  readonly guard: boolean;
}

export function openPlane(choice: PlaneChoice, options: PlaneOptions): Result<ChosenPlane, string> {
  if (choice !== 'auto') {
    const plane = choice === 'bpf' ? openBpfPlane(options) : openPacketPlane();
    return plane.ok ? ok({ plane: plane.value, why: `--data-plane=${choice}` }) : plane;
  }
  const bpf = tryBpf(options);
  if (bpf.ok) return ok({ plane: bpf.value, why: 'the first choice, and it can be attached' });
  const packet = openPacketPlane();
  if (packet.ok) return ok({ plane: packet.value, why: `bpf is refused: ${bpf.error}` });
  return err(`${bpf.error}; and instead of it, ${packet.error}`);
}

function tryBpf(options: PlaneOptions): Result<DataPlane, string> {
  const plane = openBpfPlane(options);
  if (!plane.ok) return plane;
  const attached = plane.value.attach(LOOPBACK);
  const detached = plane.value.detach(LOOPBACK.index);
  if (attached.ok && detached.ok) return plane;
  plane.value.close();
  return attached.ok ? (detached as Result<never, string>) : attached;
}
