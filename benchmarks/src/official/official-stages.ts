/** The official code as benchmarks, on the same inputs as ours. */
import {
  elementCount,
  float32,
  type ModelInfo,
  resolveSampling,
  type SamplingOptions,
  type Tensor,
} from "@ls/core";
import type { Benchmark, BenchmarkFactory } from "../measure.ts";
import { chunkInputs, decoderFeeds, encoderFeeds, unetFeeds } from "../network-feeds.ts";
import type { Tensors } from "./messages.ts";
import { type OfficialAnswer, type OfficialOptions, OfficialProcess } from "./official-process.ts";

/** Stages that the official code can be asked for. */
export const officialStageNames = ["vae-encode", "unet-step", "denoise", "vae-decode"] as const;
export type OfficialStageName = (typeof officialStageNames)[number];

export interface OfficialStageOptions extends Omit<OfficialOptions, "signal"> {
  readonly info: ModelInfo;
  readonly frames: number;
  /** Steps and guidance of `denoise`; levers that the official code has not are left out. */
  readonly sampling?: SamplingOptions | undefined;
  /** Steps of `denoise` that are really run; its time is scaled to all of them. Default: all. */
  readonly measuredSteps?: number | undefined;
  /** Is told of each process that was started. */
  readonly onOpen?: (process: OfficialProcess) => void;
}

interface Question {
  readonly operation: string;
  readonly tensors: Tensors;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly unit: string;
  readonly items: number;
  /** Output that is compared with ours. */
  readonly output?: string;
  readonly label?: string;
  readonly scale?: number;
}

/** A benchmark of one stage, in a process of its own. */
export function officialStage(
  name: OfficialStageName,
  options: OfficialStageOptions,
): BenchmarkFactory {
  return {
    name,
    async create(signal) {
      const process = await OfficialProcess.open({ ...options, signal });
      options.onOpen?.(process);
      return officialBenchmark(process, QUESTIONS[name](options), name);
    },
  };
}

function officialBenchmark(
  process: OfficialProcess,
  question: Question,
  name: OfficialStageName,
): Benchmark {
  const { operation, tensors, settings, unit, items, output, label, scale } = question;
  let last: OfficialAnswer | undefined;
  return {
    name: `official ${label ?? name}`,
    ...{ unit, itemsPerRun: items },
    ...(scale === undefined ? {} : { scale }),
    async run() {
      last = await process.run(operation, tensors, settings);
    },
    output: () => (output === undefined ? undefined : last?.tensors[output]?.data),
    ownTimes: () => last ?? { milliseconds: Number.NaN, cpuMilliseconds: Number.NaN },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

const QUESTIONS: Readonly<Record<OfficialStageName, (options: OfficialStageOptions) => Question>> =
  {
    "vae-encode": ({ info }) => {
      const tensors = encoderFeeds(info);
      const items = tensors.image.dims[0] as number;
      return { operation: "vae_encode", tensors, unit: "images", items, output: "mean" };
    },
    "vae-decode": ({ info }) => {
      const tensors = decoderFeeds(info);
      const items = tensors.latents.dims[0] as number;
      return { operation: "vae_decode", tensors, unit: "images", items, output: "image" };
    },
    "unet-step": ({ info, frames }) => {
      const { sample, timestep, encoder_hidden_states: audio } = unetFeeds(info, frames);
      const tensors = {
        sample: doubled(sample, sample.data),
        timestep,
        encoder_hidden_states: doubled(audio, new Float32Array(audio.data.length)),
      };
      const unit = "frames with guidance";
      return { operation: "unet", tensors, unit, items: frames, output: "noise_pred" };
    },
    denoise: askDenoise,
  };

/** Twice the batch: `leading` first. */
function doubled({ data, dims }: Tensor<"float32">, leading: Float32Array): Tensor<"float32"> {
  const both = new Float32Array(2 * data.length);
  both.set(leading);
  both.set(data, data.length);
  return float32([2 * (dims[0] as number), ...dims.slice(1)], both);
}

/** The official loop: DDIM, every step a whole one. */
function askDenoise({
  info,
  frames,
  sampling = {},
  measuredSteps,
}: OfficialStageOptions): Question {
  const exact = resolveSampling({ ...sampling, quality: "exact" });
  const steps = exact.inferenceSteps;
  const measured = Math.min(measuredSteps ?? steps, steps);
  const { noise, channels, audio } = chunkInputs(info, frames);
  const side = info.resolution / info.vaeScaleFactor;
  const { latentChannels, audioTokens, crossAttentionWidth } = info;
  const tensors = {
    latents: float32(
      [1, latentChannels, frames, side, side],
      overFrames(noise, latentChannels, frames),
    ),
    channels: float32([1, 1 + 2 * latentChannels, frames, side, side], channels),
    audio: float32([frames, audioTokens, crossAttentionWidth], audio),
  };
  const settings = { steps, measuredSteps: measured, guidanceScale: exact.guidanceScale };
  const question = { operation: "denoise", tensors, settings, unit: "frames", items: frames };
  return measured === steps
    ? { ...question, label: `denoise, ${steps} steps`, output: "latents" }
    : {
        ...question,
        label: `denoise, ${steps} steps (time of ${measured}, scaled)`,
        scale: steps / measured,
      };
}

/** One tile `[C, h, h]` for every frame: `[C, F, h, h]`. */
function overFrames(tile: Float32Array, channels: number, frames: number): Float32Array {
  const plane = tile.length / channels;
  const result = new Float32Array(elementCount([channels, frames, plane]));
  for (let index = 0; index < channels * frames; index++) {
    const channel = Math.floor(index / frames);
    result.set(tile.subarray(channel * plane, (channel + 1) * plane), index * plane);
  }
  return result;
}
