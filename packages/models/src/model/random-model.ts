/** Models with random weights, for demos, tests and benchmarks: the arithmetic without the download. */
import { createHash } from "node:crypto";
import { GraphCache } from "../cache/index.ts";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import { writeModelFolder } from "../checkpoint/model-folder-writer.ts";
import {
  publishedNoiseSchedule,
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
} from "../checkpoint/published-configs.ts";
import { createRandomTensors, type TensorTable } from "../checkpoint/random-tensors.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import type { UNetConfig } from "../checkpoint/unet-config.ts";
import type { VaeConfig } from "../checkpoint/vae-config.ts";
import type { WhisperDims } from "../checkpoint/whisper-dims.ts";
import {
  expectedUNetTensors,
  expectedVaeTensors,
  expectedWhisperTensors,
} from "../networks/index.ts";
import { CheckpointModel, type GraphProgress } from "./checkpoint-model.ts";
import { describeModel } from "./model-info.ts";
import type { OpenedModel } from "./open-model.ts";

/** `small`: seconds on a laptop. `256` and `512`: LatentSync 1.5 and 1.6 at their real size. */
export type RandomModelSize = "small" | "256" | "512";

interface Architecture {
  readonly unetConfig: UNetConfig;
  readonly vaeConfig: VaeConfig;
  readonly whisperDims: WhisperDims;
}

const SMALL_WIDTH = 64;
const { stage2, stage2_512 } = publishedUNetConfigs;
const PUBLISHED = { vaeConfig: sdVaeFtMseConfig, whisperDims: publishedWhisperDims.tiny } as const;

const ARCHITECTURES: Readonly<Record<RandomModelSize, Architecture>> = {
  small: {
    unetConfig: {
      ...stage2,
      data: { ...stage2.data, resolution: 128 },
      model: {
        ...stage2.model,
        blockOutChannels: [32, 64, 64, 64],
        crossAttentionDim: SMALL_WIDTH,
        sampleSize: 16,
      },
    },
    vaeConfig: { ...sdVaeFtMseConfig, blockOutChannels: [32, 32, 32, 64] },
    whisperDims: {
      ...publishedWhisperDims.tiny,
      nAudioState: SMALL_WIDTH,
      nAudioHead: 4,
      nTextState: SMALL_WIDTH,
      nTextHead: 4,
    },
  },
  "256": { unetConfig: stage2, ...PUBLISHED },
  "512": { unetConfig: stage2_512, ...PUBLISHED },
};

interface RandomWeights {
  readonly unet: TensorSource;
  readonly vae: TensorSource;
  readonly whisper: TensorSource;
}

function randomWeights(architecture: Architecture, seed: number): RandomWeights {
  const random = (table: TensorTable): TensorSource => createRandomTensors(table, { seed });
  return {
    unet: random(expectedUNetTensors(architecture.unetConfig.model)),
    vae: random(expectedVaeTensors(architecture.vaeConfig)),
    whisper: random(expectedWhisperTensors(architecture.whisperDims)),
  };
}

export interface RandomModelOptions {
  readonly size: RandomModelSize;
  readonly seed?: number;
}

/** Writes a model with random weights in the official layout. */
export async function writeRandomModel(
  folder: string,
  options: RandomModelOptions & { readonly signal?: AbortSignal },
): Promise<void> {
  const { size, seed = 0, signal } = options;
  const architecture = ARCHITECTURES[size];
  await writeModelFolder(folder, {
    ...architecture,
    ...randomWeights(architecture, seed),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** A model with random weights that are made when its graphs are written: no checkpoint on disk. */
export function openRandomModel(
  options: RandomModelOptions & {
    readonly cacheFolder?: string | undefined;
    readonly onProgress?: GraphProgress | undefined;
  },
): OpenedModel {
  const { size, seed = 0, cacheFolder, onProgress } = options;
  const architecture = ARCHITECTURES[size];
  const identity = JSON.stringify({ architecture, seed });
  const checkpoint: ModelCheckpoint = {
    ...architecture,
    ...randomWeights(architecture, seed),
    scheduler: publishedNoiseSchedule,
    hash: createHash("sha256").update(identity).digest("hex"),
    files: {
      unetConfig: architecture.unetConfig,
      unetPath: "random",
      vaeFolder: "random",
      whisperPaths: [],
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return new CheckpointModel({
    checkpoint,
    info: describeModel(checkpoint, { name: `random-${size}`, licence: "none: random weights" }),
    cache: new GraphCache(cacheFolder === undefined ? {} : { folder: cacheFolder }),
    onProgress,
  });
}
