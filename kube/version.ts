/**
 * Which of two resource versions is older. The API server promises that those of one kind are
 * decimal numbers that grow (KEP-5504); versions of other sources are only ever equal or not.
 */

const DECIMAL = /^[1-9][0-9]*$/;

/** False also when the two cannot be compared: then the later message counts. */
export function isOlder(a: string, b: string): boolean {
  if (!DECIMAL.test(a) || !DECIMAL.test(b)) return false;
  // Revisions of etcd may outgrow what a number holds exactly.
  return a.length === b.length ? a < b : a.length < b.length;
}
