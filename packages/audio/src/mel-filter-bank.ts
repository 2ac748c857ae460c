/**
 * Slaney's mel bands as librosa 0.10 computes them (`librosa.filters.mel`, defaults `htk=False`,
 * `norm="slaney"`). Intended difference: bands are kept without their zeros.
 */

const LINEAR_HZ_PER_MEL = 200 / 3;
const LOGARITHMIC_FROM_HZ = 1000;
const LOGARITHMIC_FROM_MEL = LOGARITHMIC_FROM_HZ / LINEAR_HZ_PER_MEL;
const LOGARITHMIC_STEP = Math.log(6.4) / 27;

function hzToMel(hz: number): number {
  return hz < LOGARITHMIC_FROM_HZ
    ? hz / LINEAR_HZ_PER_MEL
    : LOGARITHMIC_FROM_MEL + Math.log(hz / LOGARITHMIC_FROM_HZ) / LOGARITHMIC_STEP;
}

function melToHz(mel: number): number {
  return mel < LOGARITHMIC_FROM_MEL
    ? mel * LINEAR_HZ_PER_MEL
    : LOGARITHMIC_FROM_HZ * Math.exp(LOGARITHMIC_STEP * (mel - LOGARITHMIC_FROM_MEL));
}

/** A triangle over neighbouring frequencies. */
export interface MelBand {
  readonly firstBin: number;
  /** One weight for each bin from `firstBin`, in single precision. */
  readonly weights: Float32Array;
}

/** Bands of equal mel width from 0 Hz to half the rate, each of unit area. */
export function melFilterBank(options: {
  readonly sampleRateHz: number;
  readonly transformSize: number;
  readonly bands: number;
}): readonly MelBand[] {
  const { sampleRateHz, transformSize, bands } = options;
  const binCount = transformSize / 2 + 1;
  const highestMel = hzToMel(sampleRateHz / 2);
  const edges = Array.from({ length: bands + 2 }, (_, index) =>
    melToHz((highestMel * index) / (bands + 1)),
  );
  return Array.from({ length: bands }, (_, band): MelBand => {
    const [low, centre, high] = edges.slice(band, band + 3) as [number, number, number];
    const weights: number[] = [];
    let firstBin = 0;
    for (let bin = 0; bin < binCount; bin++) {
      const hz = (bin * sampleRateHz) / transformSize;
      const height = Math.min((hz - low) / (centre - low), (high - hz) / (high - centre));
      if (height <= 0) continue;
      if (weights.length === 0) firstBin = bin;
      weights.push((height * 2) / (high - low));
    }
    return { firstBin, weights: Float32Array.from(weights) };
  });
}
