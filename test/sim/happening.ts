/** What waits to happen in a simulated cluster, and who looks on when it does. */
import type { Beat } from '../../speaker/heartbeat.ts';
import type { ReflexOutput } from '../../speaker/reflexport.ts';
import type { Due } from './heap.ts';
import type { Member } from './member.ts';

/** Sees everything that happens, when it happens. */
export interface Watcher {
  output(node: string, output: ReflexOutput): void;
  /** A frame enters the segment; `isAnswer`: by a node's kernel. */
  frame(from: string, frame: Uint8Array, isAnswer: boolean): void;
}

export type Happening = Due &
  (
    | { readonly kind: 'beat'; readonly to: string; readonly beat: Beat }
    | { readonly kind: 'frame'; readonly to: string; readonly frame: Uint8Array }
    | { readonly kind: 'wake'; readonly member: Member }
    | { readonly kind: 'call'; readonly call: () => void }
  );
