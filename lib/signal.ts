/**
 * The part of the platform's AbortSignal that ports mention, so that pure code can name it: the
 * real AbortSignal fits, and so does a plain object in a test.
 */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
}
