import type { RandomNumbers } from "../random.ts";
import type { AcousticFrame } from "./acoustic-track.ts";
import { AntiResonator, BandPass, LowPass, Resonator } from "./filters.ts";
import { Glottis } from "./glottis.ts";
import type { Voice } from "./voice.ts";

/** Bandwidths of F1 to F8 in Hz, of a man. */
const BANDWIDTHS_HZ = [85, 90, 120, 170, 220, 350, 500, 700] as const;
/** The nasal pole, and the zero that cancels it in sounds that are not nasal (Klatt 1980). */
const NASAL_POLE_HZ = 270;
const NASAL_ZERO_HZ = 480;
const NASAL_BANDWIDTH_HZ = 100;
/** A closed mouth takes so much off the voice at 3 kHz. */
const MUFFLING_DB = 22;
/** Levels of the noises against the voice. */
const ASPIRATION = 0.1;
const BREATH = 0.045;
const FRICATION = 0.16;

/**
 * A formant synthesiser after D. H. Klatt, "Software for a cascade/parallel formant synthesizer"
 * (1980): voice and breath pass through a cascade of formants with a nasal pole and zero; the noise
 * of fricatives and bursts passes through two bands in parallel.
 */
export class VocalTract {
  readonly #voice: Voice;
  readonly #sampleRateHz: number;
  readonly #random: RandomNumbers;
  readonly #glottis: Glottis;
  readonly #tilt: LowPass = new LowPass();
  readonly #formants: readonly Resonator[];
  readonly #nasalPole: Resonator = new Resonator();
  readonly #nasalZero: AntiResonator = new AntiResonator();
  readonly #bands: readonly [BandPass, BandPass] = [new BandPass(), new BandPass()];
  // Amplitudes at the end of the last block: they move linearly through a block.
  #voicing = 0;
  #aspiration = 0;
  readonly #noiseGain = new Float64Array(2);

  constructor(
    voice: Voice,
    { random, sampleRateHz }: { readonly random: RandomNumbers; readonly sampleRateHz: number },
  ) {
    this.#voice = voice;
    this.#sampleRateHz = sampleRateHz;
    this.#random = random;
    this.#glottis = new Glottis(voice, { random, sampleRateHz });
    this.#formants = BANDWIDTHS_HZ.filter(
      (_, index) => index < 3 || this.#higherFormantHz(index) < 0.47 * sampleRateHz,
    ).map(() => new Resonator());
    this.#tuneHigherFormants();
    this.#nasalPole.tune(NASAL_POLE_HZ / voice.tractLength, NASAL_BANDWIDTH_HZ, sampleRateHz);
  }

  /** Fills `samples` with sound that ends in the state of `frame`. */
  render(samples: Float32Array, frame: AcousticFrame, pitchHz: number): void {
    this.#tune(frame);
    const pitch = this.#glottis.flutter(pitchHz);
    const voicing = (frame.voicing - this.#voicing) / samples.length;
    const aspiration = (frame.aspiration - this.#aspiration) / samples.length;
    const gain = this.#noiseGain;
    const gain0 = ((frame.noiseGain[0] as number) - (gain[0] as number)) / samples.length;
    const gain1 = ((frame.noiseGain[1] as number) - (gain[1] as number)) / samples.length;
    for (let index = 0; index < samples.length; index++) {
      this.#voicing += voicing;
      this.#aspiration += aspiration;
      gain[0] = (gain[0] as number) + gain0;
      gain[1] = (gain[1] as number) + gain1;
      samples[index] = this.#next(pitch);
    }
  }

  #next(pitchHz: number): number {
    const noise = 2 * this.#random.next() - 1;
    const pulse = this.#glottis.next(pitchHz);
    // Turbulence follows the air that flows.
    const isOpen = this.#glottis.isOpen ? 1 : 0.35;
    const breath = BREATH * this.#voice.breathiness * this.#voicing * isOpen * noise;
    let sound = this.#tilt.filter(this.#voicing * pulse) + breath;
    sound += ASPIRATION * this.#aspiration * noise;
    sound = this.#nasalZero.filter(this.#nasalPole.filter(sound));
    for (const formant of this.#formants) sound = formant.filter(sound);
    // In voiced fricatives the noise comes in pulses.
    const pulsing = this.#voicing > 0.1 ? 0.6 + 0.6 * isOpen : 1;
    const hiss = FRICATION * this.#voice.frication * pulsing * noise;
    const [band0, band1] = this.#bands;
    return (
      sound +
      band0.filter(hiss * (this.#noiseGain[0] as number)) +
      band1.filter(hiss * (this.#noiseGain[1] as number))
    );
  }

  #tune(frame: AcousticFrame): void {
    const rate = this.#sampleRateHz;
    const { tractLength, tiltDb, bandwidthScale } = this.#voice;
    for (let index = 0; index < 3; index++) {
      // The open glottis damps the first formant.
      const damping = index === 0 ? 1 + 2 * frame.aspiration : 1;
      const bandwidth = (BANDWIDTHS_HZ[index] as number) * bandwidthScale * damping;
      const nasal = 1 + frame.nasality;
      const frequency = (frame.formantsHz[index] as number) / tractLength;
      this.#formants[index]?.tune(frequency, bandwidth * nasal, rate);
    }
    const zero = NASAL_POLE_HZ + (NASAL_ZERO_HZ - NASAL_POLE_HZ) * frame.nasality;
    this.#nasalZero.tune(zero / tractLength, NASAL_BANDWIDTH_HZ, rate);
    this.#tilt.tune(tiltCutoffHz(tiltDb + MUFFLING_DB * frame.muffling), rate);
    for (const [index, band] of this.#bands.entries()) {
      // Noise arises at the teeth: its cavity differs less than the whole tract.
      const center = (frame.noiseHz[index] as number) / Math.sqrt(tractLength);
      band.tune(Math.min(center, 0.46 * rate), frame.noiseBandwidthHz[index] as number, rate);
    }
  }

  #tuneHigherFormants(): void {
    for (const [index, formant] of this.#formants.entries()) {
      if (index < 3) continue;
      const bandwidth = (BANDWIDTHS_HZ[index] as number) * this.#voice.bandwidthScale;
      formant.tune(this.#higherFormantHz(index), bandwidth, this.#sampleRateHz);
    }
  }

  /** Resonances of a tube of 17 cm that is closed at one end. */
  #higherFormantHz(index: number): number {
    return (500 + 1000 * index) / this.#voice.tractLength;
  }
}

/** Of a filter with one pole that takes `tiltDb` off at 3 kHz. */
function tiltCutoffHz(tiltDb: number): number {
  return 3000 / Math.sqrt(10 ** (Math.max(tiltDb, 0.5) / 10) - 1);
}
