/** Frame rates as the fractions that containers count in: a rounded rate drifts over an hour. */

export interface RateFraction {
  readonly num: number;
  readonly den: number;
}

/** How near 29.97 and its kin must be to a rate of NTSC, relatively. */
const NTSC_TOLERANCE = 5e-6;
const TOLERANCE = 1e-10;
const MAX_DENOMINATOR = 100_000;

/** 29.97 and its kin are read as rates of NTSC, others as the simplest fraction that is as good. */
export function rateFraction(framesPerSecond: number): RateFraction {
  const ntsc = Math.round(framesPerSecond * 1.001);
  const isNtsc = Math.abs((ntsc * 1000) / 1001 / framesPerSecond - 1) < NTSC_TOLERANCE;
  return isNtsc ? { num: ntsc * 1000, den: 1001 } : nearestFraction(framesPerSecond);
}

/** By continued fractions. */
function nearestFraction(value: number): RateFraction {
  let before = { num: 1, den: 0 };
  let best = { num: Math.floor(value), den: 1 };
  let rest = value - best.num;
  while (Math.abs(best.num / best.den / value - 1) > TOLERANCE && rest > 0) {
    const whole = Math.floor(1 / rest);
    const next = { num: whole * best.num + before.num, den: whole * best.den + before.den };
    if (next.den > MAX_DENOMINATOR) break;
    rest = 1 / rest - whole;
    before = best;
    best = next;
  }
  return best;
}
