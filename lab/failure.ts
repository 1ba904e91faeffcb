/**
 * What stops a lab run: one sentence that says what is wrong and what to do. The lab throws where
 * the product returns a Result, because a run that cannot go on has exactly one way out: clean up
 * and say why.
 */
export class LabFailure extends Error {
  override readonly name = 'LabFailure';
}
