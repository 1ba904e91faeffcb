/**
 * The shape of the generated module native/bytecode.ts: BPF programs as data, which io/bpf loads.
 */

/** The attributes of BPF_MAP_CREATE. */
export interface MapShape {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface Program {
  /** Instructions of 8 bytes, base64. */
  readonly code: string;
  /** Index of an instruction that takes a map's file descriptor, and the map's name. */
  readonly relocations: readonly (readonly [instruction: number, map: string])[];
}

export interface Bytecode {
  readonly license: string;
  readonly maps: Readonly<Record<string, MapShape>>;
  readonly programs: Readonly<Record<string, Program>>;
}
