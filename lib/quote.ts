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
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}...`;
}
