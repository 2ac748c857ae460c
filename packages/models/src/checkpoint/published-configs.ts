/** Settings of the published checkpoints, as facts, so that their names need no file. */
import type { NoiseScheduleConfig } from "@ls/core";
import type { UNetConfig, UNetDataConfig, UNetModelConfig } from "./unet-config.ts";
import { VAE_SCALING_FACTOR, VAE_SHIFT_FACTOR, type VaeConfig } from "./vae-config.ts";
import type { WhisperDims } from "./whisper-dims.ts";

const MODEL: UNetModelConfig = {
  actFn: "silu",
  addAudioLayer: true,
  attentionHeadDim: [8, 8, 8, 8],
  blockOutChannels: [320, 640, 1280, 1280],
  centerInputSample: false,
  crossAttentionDim: 384,
  downBlockTypes: [
    "CrossAttnDownBlock3D",
    "CrossAttnDownBlock3D",
    "CrossAttnDownBlock3D",
    "DownBlock3D",
  ],
  midBlockType: "UNetMidBlock3DCrossAttn",
  upBlockTypes: ["UpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "CrossAttnUpBlock3D"],
  downsamplePadding: 1,
  flipSinToCos: true,
  freqShift: 0,
  inChannels: 13,
  layersPerBlock: 2,
  midBlockScaleFactor: 1,
  normEps: 1e-5,
  normNumGroups: 32,
  outChannels: 4,
  sampleSize: 64,
  resnetTimeScaleShift: "default",
  useLinearProjection: false,
  useInflatedGroupnorm: false,
  useMotionModule: true,
  motionModuleResolutions: [1, 2, 4, 8],
  motionModuleMidBlock: false,
  motionModuleDecoderOnly: false,
  motionModuleType: "Vanilla",
  motionModule: {
    numAttentionHeads: 8,
    numTransformerBlock: 1,
    attentionBlockTypes: ["Temporal_Self", "Temporal_Self"],
    temporalPositionEncoding: true,
    temporalPositionEncodingMaxLen: 24,
    temporalAttentionDimDiv: 1,
  },
};

const DATA: UNetDataConfig = {
  numFrames: 16,
  resolution: 256,
  audioSampleRateHz: 16_000,
  videoFramesPerSecond: 25,
  audioFeatLength: [2, 2],
};

const STAGE2: UNetConfig = {
  data: DATA,
  run: { guidanceScale: 1.5, inferenceSteps: 20, seed: 1247 },
  model: MODEL,
};

export type PublishedUNetConfigName = "stage2" | "stage2_512" | "stage2_efficient";

/** The official `configs/unet/<name>.yaml`. LatentSync 1.5 is `stage2`, 1.6 is `stage2_512`. */
export const publishedUNetConfigs: Readonly<Record<PublishedUNetConfigName, UNetConfig>> = {
  stage2: STAGE2,
  stage2_512: { ...STAGE2, data: { ...DATA, resolution: 512 } },
  stage2_efficient: { ...STAGE2, model: { ...MODEL, motionModuleDecoderOnly: true } },
};

/** `stabilityai/sd-vae-ft-mse` */
export const sdVaeFtMseConfig: VaeConfig = {
  inChannels: 3,
  outChannels: 3,
  latentChannels: 4,
  blockOutChannels: [128, 256, 512, 512],
  layersPerBlock: 2,
  normNumGroups: 32,
  actFn: "silu",
  midBlockAddAttention: true,
  useQuantConv: true,
  usePostQuantConv: true,
  scalingFactor: VAE_SCALING_FACTOR,
  shiftFactor: VAE_SHIFT_FACTOR,
};

function whisperDims(width: number, heads: number, layers: number): WhisperDims {
  return {
    nMels: 80,
    nAudioCtx: 1500,
    nAudioState: width,
    nAudioHead: heads,
    nAudioLayer: layers,
    nVocab: 51_865,
    nTextCtx: 448,
    nTextState: width,
    nTextHead: heads,
    nTextLayer: layers,
  };
}

/** Multilingual Whisper, `tiny` for a cross-attention of 384 and `small` for 768. */
export const publishedWhisperDims: Readonly<Record<"tiny" | "small", WhisperDims>> = {
  tiny: whisperDims(384, 6, 4),
  small: whisperDims(768, 12, 12),
};

/** The official `configs/scheduler_config.json`. */
export const publishedNoiseSchedule: NoiseScheduleConfig = {
  trainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  stepsOffset: 1,
  setAlphaToOne: false,
  clipSample: false,
};
