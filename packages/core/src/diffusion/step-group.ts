/** Steps that one graph takes at once, so that what they share never leaves the device. */
import type { Session } from "../runtime.ts";
import type { LinearStep } from "../schedulers/linear-steps.ts";
import { elementCount, float32, type Tensor } from "../tensor.ts";

/** Numbers that the graph is told of a step. */
const COEFFICIENTS = 5;

export interface GroupQuestion {
  /** `[N, 13, F, h, h]` of `N` chunks. */
  readonly sample: Tensor<"float32">;
  /** `[N * F, tokens, width]` */
  readonly audio: Tensor<"float32">;
  /** The steps to take, at most {@link StepGroup.length}. */
  readonly steps: readonly (LinearStep & { readonly timestep: number })[];
  readonly guidanceScale: number;
  /** `[N, 4, F, h, h]`: what the steps before have left; zeros at first. */
  readonly history: Float32Array;
  readonly signal: AbortSignal;
}

export interface GroupAnswer {
  /** After every step, `[N, 4, F, h, h]`. */
  readonly latents: readonly Float32Array[];
  readonly history: Float32Array;
}

/** A full step of DeepCache and the shallow ones after it, with guidance and the sampler's updates. */
export class StepGroup {
  /** Steps of a group. */
  readonly length: number;
  readonly #session: Session;

  constructor(options: { readonly session: Session; readonly length: number }) {
    this.#session = options.session;
    this.length = options.length;
  }

  async take(question: GroupQuestion): Promise<GroupAnswer> {
    const { sample, audio, steps, history, signal } = question;
    const [chunks = 0, , ...rest] = sample.dims;
    const latentChannels = history.length / elementCount([chunks, ...rest]);
    const { timesteps, coefficients } = this.#plan(question);
    const outputs = await this.#session.run(
      {
        sample,
        timesteps: float32([this.length], timesteps),
        encoder_hidden_states: audio,
        coefficients: float32([this.length, COEFFICIENTS], coefficients),
        history: float32([chunks, latentChannels, ...rest], history),
      },
      { signal },
    );
    const all = floats(outputs["latents"]);
    const size = history.length;
    const latents = steps.map((_, step) => all.slice(step * size, (step + 1) * size));
    return { latents, history: floats(outputs["next_history"]) };
  }

  /** A group that is not full ends with steps that change nothing. */
  #plan({ steps, guidanceScale }: GroupQuestion): {
    timesteps: Float32Array;
    coefficients: Float32Array;
  } {
    const timesteps = new Float32Array(this.length).fill(steps.at(-1)?.timestep ?? 0);
    const coefficients = new Float32Array(this.length * COEFFICIENTS);
    for (let index = 0; index < this.length; index++) {
      const step = steps[index];
      const row =
        step === undefined
          ? [1, 0, 0, 0, guidanceScale]
          : [step.sample, step.noise, step.keepSample, step.keepNoise, guidanceScale];
      coefficients.set(row, index * COEFFICIENTS);
      if (step !== undefined) timesteps[index] = step.timestep;
    }
    return { timesteps, coefficients };
  }
}

function floats(value: Tensor | undefined): Float32Array {
  if (value?.data instanceof Float32Array) return value.data;
  throw new TypeError(`The UNet's group gave ${value?.dtype ?? "nothing"} instead of float32.`);
}
