/**
 * Loudness of speech per video frame: where no true mouth is known, a cheap stand-in for its opening.
 * Vowels, which open the mouth, are loud in the band of their formants; the correlation of a real
 * mouth with it is well below 1 all the same, for lips close and round while the voice goes on.
 */

/** The band of a vowel's pitch and first formants. */
const LOW_HZ = 200;
const HIGH_HZ = 2500;
/** Sounds are felt about as loud as this power of their energy (Stevens). */
const COMPRESSION = 0.3;
/** Lips do not follow faster than this: weights of a frame and of its neighbours. */
const SMOOTHING = [0.25, 0.5, 0.25] as const;

/**
 * One value per video frame, 0 or more, in order: the energy from 200 to 2500 Hz while the frame is
 * shown, compressed, and smoothed over three frames. Memory grows by one number per frame.
 * @param sound blocks of mono samples in [-1, 1].
 */
export async function speechLoudness(
  sound: AsyncIterable<Float32Array>,
  options: { readonly sampleRateHz: number; readonly framesPerSecond: number },
): Promise<number[]> {
  const { sampleRateHz, framesPerSecond } = options;
  const filters = [highPass(LOW_HZ / sampleRateHz), lowPass(HIGH_HZ / sampleRateHz)];
  const loudness: number[] = [];
  let energy = 0;
  let position = 0;
  let frameStart = 0;
  const endFrame = (): void => {
    loudness.push((energy / (position - frameStart)) ** COMPRESSION);
    energy = 0;
    frameStart = position;
  };
  for await (const block of sound) {
    for (const sample of block) {
      const filtered = filters.reduce((value, filter) => filter(value), sample);
      energy += filtered * filtered;
      position++;
      if (position >= ((loudness.length + 1) * sampleRateHz) / framesPerSecond) endFrame();
    }
  }
  if (position > frameStart) endFrame();
  return smooth(loudness);
}

function smooth(values: readonly number[]): number[] {
  const at = (index: number): number =>
    values[Math.min(Math.max(index, 0), values.length - 1)] as number;
  const [before, middle, after] = SMOOTHING;
  return values.map(
    (value, index) => before * at(index - 1) + middle * value + after * at(index + 1),
  );
}

type Filter = (sample: number) => number;

/** Second-order Butterworth, by the bilinear transform. @param frequency of the sample rate */
function lowPass(frequency: number): Filter {
  const { cosine, alpha } = butterworth(frequency);
  return biquad([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2], cosine, alpha);
}

/** See {@link lowPass}. */
function highPass(frequency: number): Filter {
  const { cosine, alpha } = butterworth(frequency);
  return biquad([(1 + cosine) / 2, -(1 + cosine), (1 + cosine) / 2], cosine, alpha);
}

function butterworth(frequency: number): { readonly cosine: number; readonly alpha: number } {
  const angle = 2 * Math.PI * frequency;
  return { cosine: Math.cos(angle), alpha: Math.sin(angle) / Math.SQRT2 };
}

/** Direct form II, transposed. */
function biquad(
  [b0, b1, b2]: readonly [number, number, number],
  cosine: number,
  alpha: number,
): Filter {
  const gain = 1 + alpha;
  let [first, second] = [0, 0];
  return (sample) => {
    const result = (b0 / gain) * sample + first;
    first = (b1 / gain) * sample + ((2 * cosine) / gain) * result + second;
    second = (b2 / gain) * sample - ((1 - alpha) / gain) * result;
    return result;
  };
}
