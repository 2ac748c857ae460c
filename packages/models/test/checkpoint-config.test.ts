import { readFile } from "node:fs/promises";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import {
  formatNoiseSchedule,
  formatUNetConfig,
  formatVaeConfig,
} from "../src/checkpoint/model-folder-writer.ts";
import { parseNoiseSchedule } from "../src/checkpoint/noise-schedule.ts";
import {
  publishedNoiseSchedule,
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
} from "../src/checkpoint/published-configs.ts";
import { parseUNetConfig } from "../src/checkpoint/unet-config.ts";
import { parseVaeConfig } from "../src/checkpoint/vae-config.ts";
import { parseWhisperDims } from "../src/checkpoint/whisper-dims.ts";
import { thrown } from "./temporary-folder.ts";

/** A configuration of our own with every key that the official files have. */
const FULL = `
data:
  syncnet_config_path: a.yaml
  train_output_dir: out
  num_frames: 8
  resolution: 128
  mask_image_path: mask.png
  audio_sample_rate: 16000
  video_fps: 25
  audio_feat_length: [1, 2]
  batch_size: 1
ckpt:
  resume_ckpt_path: x.pt
  save_ckpt_steps: 10
run:
  guidance_scale: 2.5
  inference_steps: 10
  seed: 7
  use_syncnet: true
  trainable_modules: [motion_modules., attentions.]
optimizer:
  lr: 1e-5
model:
  act_fn: silu
  add_audio_layer: true
  attention_head_dim: 4
  block_out_channels: [32, 64]
  center_input_sample: false
  cross_attention_dim: 48
  down_block_types: [CrossAttnDownBlock3D, DownBlock3D]
  mid_block_type: UNetMidBlock3DCrossAttn
  up_block_types: [UpBlock3D, CrossAttnUpBlock3D]
  downsample_padding: 1
  flip_sin_to_cos: true
  freq_shift: 0
  in_channels: 13
  layers_per_block: 1
  mid_block_scale_factor: 1.5
  norm_eps: 1e-5
  norm_num_groups: 16
  out_channels: 4
  sample_size: 16
  resnet_time_scale_shift: default
  use_motion_module: true
  motion_module_resolutions: [1, 4]
  motion_module_mid_block: true
  motion_module_decoder_only: true
  motion_module_type: Vanilla
  motion_module_kwargs:
    num_attention_heads: 2
    num_transformer_block: 3
    attention_block_types: [Temporal_Self]
    temporal_position_encoding: false
    temporal_position_encoding_max_len: 32
    temporal_attention_dim_div: 2
    zero_initialize: true
`;

describe("the UNet's configuration", () => {
  it("is read key by key", () => {
    expect(parseUNetConfig(FULL)).toEqual({
      data: {
        numFrames: 8,
        resolution: 128,
        audioSampleRateHz: 16_000,
        videoFramesPerSecond: 25,
        audioFeatLength: [1, 2],
      },
      run: { guidanceScale: 2.5, inferenceSteps: 10, seed: 7 },
      model: {
        actFn: "silu",
        addAudioLayer: true,
        attentionHeadDim: [4, 4],
        blockOutChannels: [32, 64],
        centerInputSample: false,
        crossAttentionDim: 48,
        downBlockTypes: ["CrossAttnDownBlock3D", "DownBlock3D"],
        midBlockType: "UNetMidBlock3DCrossAttn",
        upBlockTypes: ["UpBlock3D", "CrossAttnUpBlock3D"],
        downsamplePadding: 1,
        flipSinToCos: true,
        freqShift: 0,
        inChannels: 13,
        layersPerBlock: 1,
        midBlockScaleFactor: 1.5,
        normEps: 1e-5,
        normNumGroups: 16,
        outChannels: 4,
        sampleSize: 16,
        resnetTimeScaleShift: "default",
        useLinearProjection: false,
        useInflatedGroupnorm: false,
        useMotionModule: true,
        motionModuleResolutions: [1, 4],
        motionModuleMidBlock: true,
        motionModuleDecoderOnly: true,
        motionModuleType: "Vanilla",
        motionModule: {
          numAttentionHeads: 2,
          numTransformerBlock: 3,
          attentionBlockTypes: ["Temporal_Self"],
          temporalPositionEncoding: false,
          temporalPositionEncodingMaxLen: 32,
          temporalAttentionDimDiv: 2,
        },
      },
    });
  });

  it.each(["stage2", "stage2_512", "stage2_efficient"] as const)(
    "of %s is written and read back",
    (name) => {
      const config = publishedUNetConfigs[name];
      expect(parseUNetConfig(formatUNetConfig(config))).toEqual(config);
    },
  );

  it("is that of the published files", () => {
    expect(publishedUNetConfigs.stage2.data.resolution).toBe(256);
    expect(publishedUNetConfigs.stage2_512.data.resolution).toBe(512);
    expect(publishedUNetConfigs.stage2_512.model).toEqual(publishedUNetConfigs.stage2.model);
    expect(publishedUNetConfigs.stage2_efficient.model.motionModuleDecoderOnly).toBe(true);
  });

  it("takes the official classes' defaults where keys are absent", () => {
    const { model, data } = parseUNetConfig("model: {}");
    expect(model).toMatchObject({
      blockOutChannels: [320, 640, 1280, 1280],
      crossAttentionDim: 1280,
      inChannels: 4,
      useMotionModule: false,
      addAudioLayer: false,
      attentionHeadDim: [8, 8, 8, 8],
    });
    expect(data.resolution).toBe(256);
  });

  it("may have heads for each block", () => {
    const text = FULL.replace("attention_head_dim: 4", "attention_head_dim: [4, 8]");
    expect(parseUNetConfig(text).model.attentionHeadDim).toEqual([4, 8]);
  });

  it("may have every variant that the official class can run", () => {
    const variants = [
      "resnet_time_scale_shift: scale_shift",
      "use_linear_projection: true",
      "use_inflated_groupnorm: true",
      "only_cross_attention: [true, false]",
      "upcast_attention: true",
      "attention_head_dim: 5",
      "block_out_channels: [32, 64]",
    ];
    const config = parseUNetConfig(
      `model:\n  ${variants.join("\n  ")}\n  down_block_types: [DownBlock3D, DownBlock3D]` +
        "\n  up_block_types: [UpBlock3D, UpBlock3D]",
    );
    expect(config.model).toMatchObject({
      resnetTimeScaleShift: "scale_shift",
      useLinearProjection: true,
      useInflatedGroupnorm: true,
      attentionHeadDim: [5, 5],
    });
    expect(parseUNetConfig(formatUNetConfig(config))).toEqual(config);
  });

  it.each([
    ["model: [1]", '"model" must be a mapping'],
    ["data: {}", '"model" must be a mapping of keys, but is absent'],
    ["a: [", "not valid YAML"],
    ["- 1", "The file must be a mapping"],
    [FULL.replace("  act_fn", "  colour: red\n  act_fn"), '"model.colour"'],
    [FULL.replace("zero_initialize", "speed"), '"model.motion_module_kwargs.speed"'],
    [
      FULL.replace("shift: default", "shift: spatial"),
      'resnet_time_scale_shift" must be "default" or "scale_shift"',
    ],
    [FULL.replace("act_fn: silu", "act_fn: mish"), '"model.act_fn" must be "silu"'],
    [FULL.replace("padding: 1", "padding: 0"), '"model.downsample_padding" must be 1'],
    [
      FULL.replace("in_channels: 13", "in_channels: many"),
      "whole number from 1 to 65536, but is 'many'",
    ],
    [FULL.replace("[32, 64]", "[32, 60]"), "norm_num_groups 16 does not divide"],
    [
      FULL.replace("attention_head_dim: 4", "attention_head_dim: 33"),
      "fewer than attention_head_dim 33",
    ],
    [FULL.replace("heads: 2", "heads: 17"), "heads times dim_div, 34"],
    [FULL.replace("Temporal_Self]", "Temporal_Cross]"), "attention_block_types"],
    [FULL.replace("[CrossAttnDownBlock3D, DownBlock3D]", "[DownBlock3D]"), "a list of 2"],
    [FULL.replace("resolution: 128", "resolution: 130"), "divisible by 8, but is 130"],
    [FULL.replace("video_fps: 25", "video_fps: 30"), '"data.video_fps"'],
    [FULL.replace("  act_fn", "  dual_cross_attention: true\n  act_fn"), "dual_cross_attention"],
    [FULL.replace("norm_eps: 1e-5", "norm_eps: .nan"), '"model.norm_eps" must be a number'],
  ])("is refused with a message that names the key (%#)", (text, message) => {
    const error = thrown(() => parseUNetConfig(text, "my.yaml"));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toContain("my.yaml");
    expect(error.message).toContain(message);
  });
});

describe("the VAE's configuration", () => {
  it("is written and read back", () => {
    expect(parseVaeConfig(formatVaeConfig(sdVaeFtMseConfig))).toEqual(sdVaeFtMseConfig);
  });

  it("has the official script's scaling whatever the file says", () => {
    const config = parseVaeConfig(
      '{"block_out_channels": [32], "scaling_factor": 0.5, "shift_factor": 1}',
    );
    expect(config).toMatchObject({ scalingFactor: 0.18215, shiftFactor: 0, useQuantConv: true });
  });

  it.each([
    ['{"act_fn": "relu"}', "act_fn"],
    ['{"latents_mean": [1]}', "latents_mean"],
    ['{"_class_name": "VQModel"}', "AutoencoderKL"],
    ['{"depth": 1}', '"depth"'],
    ['{"block_out_channels": [32], "up_block_types": ["AttnUpDecoderBlock2D"]}', "up_block_types"],
    ["{", "not valid JSON"],
  ])("is refused: %s", (text, message) => {
    expect(thrown(() => parseVaeConfig(text)).message).toContain(message);
  });
});

describe("Whisper's dims", () => {
  it("are read", () => {
    const dims = { n_mels: 80, n_audio_ctx: 1500, n_audio_state: 384, n_audio_head: 6 };
    const text = { n_vocab: 51_865, n_text_ctx: 448, n_text_state: 384, n_text_head: 6 };
    const all = { ...dims, n_audio_layer: 4, ...text, n_text_layer: 4 };
    expect(parseWhisperDims(all)).toEqual(publishedWhisperDims.tiny);
    expect(thrown(() => parseWhisperDims(dims)).message).toContain('"dims.n_audio_layer"');
    expect(thrown(() => parseWhisperDims({ ...all, x: 1n })).message).toContain('"dims.x"');
    expect(thrown(() => parseWhisperDims({ ...all, n_mels: 1n })).message).toContain("1n");
    expect(thrown(() => parseWhisperDims(undefined)).message).toContain("absent");
  });
});

describe("the scheduler's configuration", () => {
  it("is written and read back", () => {
    expect(parseNoiseSchedule(formatNoiseSchedule(publishedNoiseSchedule))).toEqual(
      publishedNoiseSchedule,
    );
  });

  it("is refused where it asks for what is not built", () => {
    const error = thrown(() => parseNoiseSchedule('{"prediction_type": "v_prediction"}'));
    expect(error.message).toContain("prediction_type");
    expect(thrown(() => parseNoiseSchedule('{"beta_schedule": "x"}')).message).toContain("linear");
  });
});

describe.skipIf(!hasReference)(
  referenceTitle("model/unet_config.yaml, model/scheduler_config.json, model/vae/config.json"),
  () => {
    it("are read", async () => {
      const yaml = await readFile(reference("model", "unet_config.yaml"), "utf8");
      const config = parseUNetConfig(yaml);
      expect(config.model.blockOutChannels).toEqual([32, 64, 64, 64]);
      expect(config.data.resolution).toBe(128);
      const schedule = await readFile(reference("model", "scheduler_config.json"), "utf8");
      expect(parseNoiseSchedule(schedule)).toEqual(publishedNoiseSchedule);
      const vae = await readFile(reference("model", "vae", "config.json"), "utf8");
      expect(parseVaeConfig(vae)).toEqual({
        ...sdVaeFtMseConfig,
        blockOutChannels: [32, 32, 32, 64],
      });
    });
  },
);
