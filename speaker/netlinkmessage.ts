/**
 * Messages to netlink (netlink(7)) as bytes: a header of 16 bytes, a body, attributes; all of them
 * aligned to 4 bytes. Integers are in the byte order of the host, little-endian on all that we run
 * on.
 */

export const HEADER_BYTES = 16;

const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function align(length: number): number {
  return (length + 3) & ~3;
}

/** Without Node's and the browsers' TextDecoder: names of links and sentences are ASCII. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + align(part.length), 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += align(part.length);
  }
  return whole;
}

export function message(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const words = view(header);
  words.setUint32(0, HEADER_BYTES + body.length, true);
  words.setUint16(4, type, true);
  words.setUint16(6, NLM_F_REQUEST | flags, true);
  words.setUint32(8, sequence, true);
  return concatenate([header, body]);
}

export function attribute(type: number, value: Uint8Array): Uint8Array {
  const header = new Uint8Array(4);
  view(header).setUint16(0, 4 + value.length, true);
  view(header).setUint16(2, type, true);
  return concatenate([header, value]);
}

export function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value, true);
  return bytes;
}

export function zeroTerminated(ascii: string): Uint8Array {
  return Uint8Array.from(`${ascii}\0`, (letter) => letter.charCodeAt(0));
}
