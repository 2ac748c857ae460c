import type { Phone, SyntheticSpeech } from "../src/speech/speech-synthesis.ts";

/** The phones of one symbol. */
export function phonesOf(speech: SyntheticSpeech, symbol: string): readonly Phone[] {
  return speech.phones.filter((phone) => phone.symbol === symbol);
}

/** @throws Error if the speech lacks the symbol. */
export function firstPhoneOf(speech: SyntheticSpeech, symbol: string): Phone {
  const [phone] = phonesOf(speech, symbol);
  if (!phone) throw new Error(`The speech has no ${symbol}.`);
  return phone;
}

/** Samples of the middle part of a phone. */
export function middleOf(speech: SyntheticSpeech, phone: Phone, part = 0.5): Float32Array {
  const { startSeconds, endSeconds } = phone;
  const margin = ((1 - part) / 2) * (endSeconds - startSeconds);
  return speech.samples.subarray(
    Math.round((startSeconds + margin) * speech.sampleRateHz),
    Math.round((endSeconds - margin) * speech.sampleRateHz),
  );
}

export function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

/** Part of the energy that is above a frequency, from a plain discrete Fourier transform. */
export function energyAbove(samples: Float32Array, frequencyHz: number): number {
  const { length } = samples;
  let above = 0;
  let all = 0;
  for (let bin = 1; bin < length / 2; bin++) {
    let real = 0;
    let imaginary = 0;
    for (let index = 0; index < length; index++) {
      const angle = (2 * Math.PI * bin * index) / length;
      const windowed = (samples[index] ?? 0) * (1 - Math.cos((2 * Math.PI * index) / length));
      real += windowed * Math.cos(angle);
      imaginary += windowed * Math.sin(angle);
    }
    const energy = real * real + imaginary * imaginary;
    all += energy;
    if ((bin * 16_000) / length >= frequencyHz) above += energy;
  }
  return above / all;
}

/** Peaks of the spectrum of linear prediction, in Hz: formants, lowest first. */
export function formantsOf(samples: Float32Array): readonly number[] {
  const emphasized = samples.map((sample, index) => {
    const slope = sample - 0.95 * (samples[index - 1] ?? 0);
    return slope * (1 - Math.cos((2 * Math.PI * index) / samples.length));
  });
  const filter = linearPrediction(emphasized, 18);
  const level = (frequencyHz: number): number => {
    let real = 0;
    let imaginary = 0;
    for (const [index, coefficient] of filter.entries()) {
      const angle = (2 * Math.PI * frequencyHz * index) / 16_000;
      real += coefficient * Math.cos(angle);
      imaginary += coefficient * Math.sin(angle);
    }
    return 1 / (real * real + imaginary * imaginary);
  };
  const peaks: number[] = [];
  for (let hz = 150; hz < 4000; hz += 10) {
    if (level(hz) > level(hz - 10) && level(hz) > level(hz + 10)) peaks.push(hz);
  }
  return peaks;
}

/** Levinson and Durbin's recursion. */
function linearPrediction(samples: Float32Array, order: number): readonly number[] {
  const correlation = Array.from({ length: order + 1 }, (_, lag) => correlate(samples, lag));
  let filter = [1];
  let error = correlation[0] ?? 0;
  for (let step = 1; step <= order; step++) {
    let sum = 0;
    for (const [index, coefficient] of filter.entries()) {
      sum += coefficient * (correlation[step - index] ?? 0);
    }
    const reflection = -sum / error;
    const padded = [...filter, 0];
    filter = padded.map((value, index) => value + reflection * (padded[step - index] ?? 0));
    error *= 1 - reflection * reflection;
  }
  return filter;
}

function correlate(samples: Float32Array, lag: number): number {
  let sum = 0;
  for (let index = lag; index < samples.length; index++) {
    sum += (samples[index] ?? 0) * (samples[index - lag] ?? 0);
  }
  return sum;
}

/** Median pitch of the stressed and open vowels, by autocorrelation. */
export function pitchOf(speech: SyntheticSpeech): number {
  const pitches: number[] = [];
  for (const phone of speech.phones) {
    const samples = middleOf(speech, phone, 0.8);
    if (!/^[AEIOU]/.test(phone.symbol) || samples.length < 800) continue;
    let best = 0;
    let bestLag = 0;
    // From 400 down to 60 Hz; longer lags have fewer products, so that periods are not doubled.
    for (let lag = 40; lag <= 266; lag++) {
      const value = correlate(samples, lag);
      if (value > best) [best, bestLag] = [value, lag];
    }
    pitches.push(16_000 / bestLag);
  }
  return pitches.sort((a, b) => a - b)[pitches.length >> 1] ?? 0;
}
