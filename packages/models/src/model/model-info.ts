import type { ModelInfo, ModelSize } from "@ls/core";
import { checkTensors } from "../checkpoint/check-tensors.ts";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import type { TensorSource } from "../checkpoint/tensor-source.ts";
import {
  expectedUNetTensors,
  expectedVaeTensors,
  expectedWhisperTensors,
} from "../networks/index.ts";

/** What the pipeline must know of a checkpoint, from its configurations. */
export function describeModel(
  checkpoint: ModelCheckpoint,
  identity: { readonly name: string; readonly licence: string },
): ModelInfo {
  const { unetConfig, vaeConfig, whisperDims, scheduler, hash } = checkpoint;
  const { data, model } = unetConfig;
  const [before, after] = data.audioFeatLength;
  const statesPerFrame = 2 * before + 2 * (after + 1);
  return {
    ...identity,
    resolution: data.resolution,
    framesPerChunk: data.numFrames,
    latentChannels: vaeConfig.latentChannels,
    vaeScaleFactor: 2 ** (vaeConfig.blockOutChannels.length - 1),
    scalingFactor: vaeConfig.scalingFactor,
    shiftFactor: vaeConfig.shiftFactor,
    audioFeatureLength: data.audioFeatLength,
    audioTokens: statesPerFrame * (whisperDims.nAudioLayer + 1),
    crossAttentionWidth: model.crossAttentionDim,
    scheduler,
    hash,
    size: sizeOf(checkpoint),
  };
}

function sizeOf({ unetConfig, vaeConfig, unet, vae, whisper }: ModelCheckpoint): ModelSize {
  return {
    parameters: {
      whisper_encoder: countWeights(whisper, (name) => name.startsWith("encoder.")),
      vae_encoder: countWeights(vae, (name) => /^(encoder|quant_conv)\./.test(name)),
      vae_decoder: countWeights(vae, (name) => /^(decoder|post_quant_conv)\./.test(name)),
      unet: countWeights(unet, () => true),
    },
    unetWidth: unetConfig.model.blockOutChannels[0] ?? 0,
    vaeWidth: vaeConfig.blockOutChannels[0] ?? 0,
  };
}

function countWeights({ entries }: TensorSource, counts: (name: string) => boolean): number {
  return [...entries.values()]
    .filter(({ name }) => counts(name))
    .reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
}

/**
 * Checks that every tensor of the three networks is there, of the right shape, and nothing else.
 * @throws LatentSyncError `invalid_model` that lists what is wrong.
 */
export function checkCheckpoint(checkpoint: ModelCheckpoint): void {
  const { files, unetConfig, unet, vaeConfig, vae, whisperDims, whisper } = checkpoint;
  checkTensors(unet, expectedUNetTensors(unetConfig.model), {
    what: `The UNet's checkpoint ${files.unetPath}`,
  });
  checkTensors(vae, expectedVaeTensors(vaeConfig), { what: `The VAE in ${files.vaeFolder}` });
  checkTensors(whisper, expectedWhisperTensors(whisperDims), {
    what: "The Whisper checkpoint",
    allowed: ["decoder."],
  });
}
