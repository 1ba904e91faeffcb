/**
 * Randomness as an argument. Production passes Math.random; tests and simulations pass a seeded
 * generator, so that a failing run can be repeated from its seed.
 */

/** Uniform in [0, 1). */
export type Random = () => number;

/** mulberry32: 32 bits of state, good enough for schedules and jitter, never for secrets. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
