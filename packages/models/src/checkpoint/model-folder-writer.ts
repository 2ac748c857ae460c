/** Writes a model in the official layout, for demos, tests and benchmarks. */
import { join } from "node:path";
import type { NoiseScheduleConfig } from "@ls/core";
import { writeAtomically } from "@ls/files";
import { stringify } from "yaml";
import { writeSafetensors, writeTorchCheckpoint } from "./checkpoint-writer.ts";
import { publishedNoiseSchedule } from "./published-configs.ts";
import type { TensorSource } from "./tensor-source.ts";
import type { UNetConfig } from "./unet-config.ts";
import type { VaeConfig } from "./vae-config.ts";
import type { WhisperDims } from "./whisper-dims.ts";

/** What {@link writeModelFolder} writes. */
export interface ModelFolderContent {
  readonly unetConfig: UNetConfig;
  readonly unet: TensorSource;
  readonly vaeConfig: VaeConfig;
  readonly vae: TensorSource;
  readonly whisperDims: WhisperDims;
  readonly whisper: TensorSource;
  /** Default: the published settings. */
  readonly scheduler?: NoiseScheduleConfig;
  readonly signal?: AbortSignal;
}

/** A configuration in the official file's form, which {@link parseUNetConfig} reads back. */
export function formatUNetConfig(config: UNetConfig): string {
  const { data, run, model } = config;
  const motion = model.motionModule;
  return stringify({
    data: {
      num_frames: data.numFrames,
      resolution: data.resolution,
      audio_sample_rate: data.audioSampleRateHz,
      video_fps: data.videoFramesPerSecond,
      audio_feat_length: data.audioFeatLength,
    },
    run: {
      guidance_scale: run.guidanceScale,
      inference_steps: run.inferenceSteps,
      seed: run.seed,
    },
    model: {
      act_fn: model.actFn,
      add_audio_layer: model.addAudioLayer,
      attention_head_dim: model.attentionHeadDim,
      block_out_channels: model.blockOutChannels,
      center_input_sample: model.centerInputSample,
      cross_attention_dim: model.crossAttentionDim,
      down_block_types: model.downBlockTypes,
      mid_block_type: model.midBlockType,
      up_block_types: model.upBlockTypes,
      downsample_padding: model.downsamplePadding,
      flip_sin_to_cos: model.flipSinToCos,
      freq_shift: model.freqShift,
      in_channels: model.inChannels,
      layers_per_block: model.layersPerBlock,
      mid_block_scale_factor: model.midBlockScaleFactor,
      norm_eps: model.normEps,
      norm_num_groups: model.normNumGroups,
      out_channels: model.outChannels,
      sample_size: model.sampleSize,
      resnet_time_scale_shift: model.resnetTimeScaleShift,
      use_linear_projection: model.useLinearProjection,
      use_inflated_groupnorm: model.useInflatedGroupnorm,
      use_motion_module: model.useMotionModule,
      motion_module_resolutions: model.motionModuleResolutions,
      motion_module_mid_block: model.motionModuleMidBlock,
      motion_module_decoder_only: model.motionModuleDecoderOnly,
      motion_module_type: model.motionModuleType,
      motion_module_kwargs: {
        num_attention_heads: motion.numAttentionHeads,
        num_transformer_block: motion.numTransformerBlock,
        attention_block_types: motion.attentionBlockTypes,
        temporal_position_encoding: motion.temporalPositionEncoding,
        temporal_position_encoding_max_len: motion.temporalPositionEncodingMaxLen,
        temporal_attention_dim_div: motion.temporalAttentionDimDiv,
      },
    },
  });
}

/** A configuration in diffusers' form, which {@link parseVaeConfig} reads back. */
export function formatVaeConfig(config: VaeConfig): string {
  return JSON.stringify(
    {
      _class_name: "AutoencoderKL",
      act_fn: config.actFn,
      block_out_channels: config.blockOutChannels,
      down_block_types: config.blockOutChannels.map(() => "DownEncoderBlock2D"),
      in_channels: config.inChannels,
      latent_channels: config.latentChannels,
      layers_per_block: config.layersPerBlock,
      mid_block_add_attention: config.midBlockAddAttention,
      norm_num_groups: config.normNumGroups,
      out_channels: config.outChannels,
      scaling_factor: config.scalingFactor,
      shift_factor: config.shiftFactor,
      up_block_types: config.blockOutChannels.map(() => "UpDecoderBlock2D"),
      use_post_quant_conv: config.usePostQuantConv,
      use_quant_conv: config.useQuantConv,
    },
    undefined,
    2,
  );
}

/** Settings in diffusers' form, which {@link parseNoiseSchedule} reads back. */
export function formatNoiseSchedule(schedule: NoiseScheduleConfig): string {
  return JSON.stringify(
    {
      _class_name: "DDIMScheduler",
      beta_end: schedule.betaEnd,
      beta_schedule: schedule.betaSchedule,
      beta_start: schedule.betaStart,
      clip_sample: schedule.clipSample,
      num_train_timesteps: schedule.trainTimesteps,
      set_alpha_to_one: schedule.setAlphaToOne,
      steps_offset: schedule.stepsOffset,
      trained_betas: null,
    },
    undefined,
    2,
  );
}

function formatWhisperDims(dims: WhisperDims): Readonly<Record<string, number>> {
  return {
    n_mels: dims.nMels,
    n_audio_ctx: dims.nAudioCtx,
    n_audio_state: dims.nAudioState,
    n_audio_head: dims.nAudioHead,
    n_audio_layer: dims.nAudioLayer,
    n_vocab: dims.nVocab,
    n_text_ctx: dims.nTextCtx,
    n_text_state: dims.nTextState,
    n_text_head: dims.nTextHead,
    n_text_layer: dims.nTextLayer,
  };
}

/**
 * Writes a model as {@link openModelFolder} reads it: `latentsync_unet.pt`, `unet_config.yaml`,
 * `vae/`, `whisper/` (`small.pt` if 768 wide, else `tiny.pt`) and `scheduler_config.json`. One
 * tensor is in memory at a time.
 * @throws LatentSyncError `disk_full` or `io`; the signal's reason on abort.
 */
export async function writeModelFolder(folder: string, content: ModelFolderContent): Promise<void> {
  const { unetConfig, vaeConfig, whisperDims, scheduler = publishedNoiseSchedule } = content;
  const aborts = content.signal === undefined ? {} : { signal: content.signal };
  const writeText = (name: string, text: string): Promise<void> =>
    writeAtomically(join(folder, name), (sink) => sink.write(Buffer.from(text)));
  await writeText("unet_config.yaml", formatUNetConfig(unetConfig));
  await writeText("vae/config.json", formatVaeConfig(vaeConfig));
  await writeText("scheduler_config.json", formatNoiseSchedule(scheduler));
  await writeTorchCheckpoint(join(folder, "latentsync_unet.pt"), {
    values: { global_step: 0 },
    tensorsKey: "state_dict",
    tensors: content.unet,
    ...aborts,
  });
  await writeSafetensors(join(folder, "vae", "diffusion_pytorch_model.safetensors"), {
    tensors: content.vae,
    metadata: { format: "pt" },
    ...aborts,
  });
  const whisperName = whisperDims.nAudioState === 768 ? "small.pt" : "tiny.pt";
  await writeTorchCheckpoint(join(folder, "whisper", whisperName), {
    values: { dims: formatWhisperDims(whisperDims) },
    tensorsKey: "model_state_dict",
    tensors: content.whisper,
    dtype: "float16",
    ...aborts,
  });
}
