/**
 * A text of the user's inside a sentence: in quotes, with what cannot be seen written out, and cut
 * when it is long, since sentences go into conditions, events and logs.
 */
const LONGEST = 100;

export function quote(text: string): string {
  if (text.length <= LONGEST) return JSON.stringify(text);
  return `${JSON.stringify(text.slice(0, LONGEST))}...`;
}

/** The same without quotes, for names that stand for themselves. */
export function brief(text: string): string {
  return text.length <= LONGEST ? cut(text, LONGEST) : `${cut(text, LONGEST)}...`;
}

/**
 * The beginning of a text. Half a character that is left over cannot be stored: the source would
 * show something else than was written, and it would be written again, and again.
 */
export function cut(text: string, length: number): string {
  return text.slice(0, length).replaceAll(/\p{Surrogate}/gu, '\ufffd');
}
