/** Networks against the official pipeline's results: float32 within 1e-4, float16 by direction. */
import { float32, type GraphKind, type Tensor } from "@ls/core";
import {
  assertClose,
  difference,
  hasReference,
  goldenFile,
  goldenUNetFeeds,
  reference,
  referenceTitle,
} from "@ls/testing";
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest";
import { type ModelCheckpoint, openModelFolder } from "../src/checkpoint/index.ts";
import type { Graph } from "../src/graph/index.ts";
import {
  type BuildOptions,
  buildUNet,
  buildVaeDecoder,
  buildVaeEncoder,
  buildWhisperEncoder,
  expectedUNetTensors,
  expectedVaeTensors,
  expectedWhisperTensors,
} from "../src/networks/index.ts";
import { openGraph, type TestSession } from "./graph-session.ts";

const TOLERANCE = 1e-4;
const HALF_COSINE = 0.9999;

const TAPS = {
  conv_in: "conv_in",
  time_embedding: "time_embedding",
  down0: "down_blocks.0",
  down1: "down_blocks.1",
  down2: "down_blocks.2",
  down3: "down_blocks.3",
  mid_block: "mid_block",
  up0: "up_blocks.0",
  up1: "up_blocks.1",
  up2: "up_blocks.2",
  up3: "up_blocks.3",
} as const;

/** Profiles, those of GPUs with their fused operators replaced by definitions. */
const PROFILES: readonly Pick<BuildOptions, "profile" | "expandFused">[] = [
  { profile: "cpu" },
  { profile: "tensorrt" },
  { profile: "openvino" },
  { profile: "webgpu", expandFused: true },
  { profile: "cuda", expandFused: true },
];

let model: ModelCheckpoint;

type NetworkKind = Extract<GraphKind, "whisper_encoder" | "vae_encoder" | "vae_decoder" | "unet">;

function buildGraph(options: BuildOptions & { readonly kind: NetworkKind }): Graph {
  const { unetConfig, vaeConfig, whisperDims } = model;
  const { resolution } = unetConfig.data;
  switch (options.kind) {
    case "whisper_encoder":
      return buildWhisperEncoder(whisperDims, model.whisper, options);
    case "vae_encoder":
      return buildVaeEncoder(vaeConfig, model.vae, { ...options, resolution });
    case "vae_decoder":
      return buildVaeDecoder(vaeConfig, model.vae, { ...options, resolution });
    case "unet":
      return buildUNet(unetConfig.model, model.unet, {
        ...options,
        kind: options.kind,
        resolution,
      });
  }
}

/** The first frames of `[batch, channels, frames, height, width]`. */
function firstFrames(tensor: Tensor, count: number): Tensor {
  const [batch = 0, channels = 0, frames = 0, height = 0, width = 0] = tensor.dims;
  const size = height * width;
  const data = new Float32Array(batch * channels * count * size);
  for (let plane = 0; plane < batch * channels; plane++) {
    const start = plane * frames * size;
    data.set(
      (tensor.data as Float32Array).subarray(start, start + count * size),
      plane * count * size,
    );
  }
  return float32([batch, channels, count, height, width], data);
}

/** A tap of the golden data has the first two frames; the time embedding is one per batch there. */
function assertTap(actual: Tensor, expected: Tensor, path: string): void {
  if (path !== "time_embedding") {
    assertClose(firstFrames(actual, 2), expected, TOLERANCE, path);
    return;
  }
  const width = actual.dims[1]!;
  for (const start of [0, width]) {
    const row = (expected.data as Float32Array).slice(start, start + width);
    assertClose(actual, float32([1, width], row), TOLERANCE, path);
  }
}

function assertDirection(actual: Tensor | undefined, expected: Tensor, what: string): void {
  assert(actual !== undefined);
  const { cosine } = difference(actual.data, expected.data);
  assert(cosine >= HALF_COSINE, `${what}: cosine ${cosine}`);
}

describe.skipIf(!hasReference)(referenceTitle("networks on golden data"), () => {
  beforeAll(async () => {
    model = await openModelFolder(reference("model"));
  });

  afterAll(async () => {
    await model[Symbol.asyncDispose]();
  });

  it("expects exactly the tensors that the reference model's files hold", () => {
    const shapes = (source: ModelCheckpoint["unet"]): Record<string, readonly number[]> =>
      Object.fromEntries([...source.entries.values()].map(({ name, shape }) => [name, shape]));
    expect(shapes(model.unet)).toEqual(
      Object.fromEntries(expectedUNetTensors(model.unetConfig.model)),
    );
    expect(shapes(model.vae)).toEqual(Object.fromEntries(expectedVaeTensors(model.vaeConfig)));
    expect(shapes(model.whisper)).toMatchObject(
      Object.fromEntries(expectedWhisperTensors(model.whisperDims)),
    );
  });

  describe.each(PROFILES)("$profile", (profile) => {
    it("unet_f16: out and every tap; unet_f5: out, by the same graph", async () => {
      const graph = buildGraph({
        kind: "unet",
        precision: "float32",
        taps: Object.values(TAPS),
        ...profile,
      });
      // The profile of this runtime as it is used, the others as they are written.
      const optimization = profile.profile === "cpu" ? "all" : "basic";
      await using session = await openGraph(graph, optimization);
      const five = goldenFile("unet_f5");
      const { noise_pred: out } = await session.run(goldenUNetFeeds(five));
      assertClose(out!, five("out"), TOLERANCE, "unet_f5");
      const sixteen = goldenFile("unet_f16");
      const outputs = await session.run(goldenUNetFeeds(sixteen));
      for (const [name, path] of Object.entries(TAPS)) {
        assertTap(outputs[path]!, sixteen(`tap_${name}`), path);
      }
      assertClose(outputs["noise_pred"]!, sixteen("out"), TOLERANCE, "unet_f16");
    });

    it("vae: mean, logvar and decoded", async () => {
      const get = goldenFile("vae");
      const options = { precision: "float32", ...profile } as const;
      await using encoder = await openGraph(buildGraph({ kind: "vae_encoder", ...options }));
      const { mean, logvar } = await encoder.run({ image: get("image") });
      assertClose(mean!, get("mean"), TOLERANCE, "mean");
      assertClose(logvar!, get("logvar"), TOLERANCE, "logvar");
      await using decoder = await openGraph(buildGraph({ kind: "vae_decoder", ...options }));
      const { image } = await decoder.run({ latents: get("latents") });
      assertClose(image!, get("decoded"), TOLERANCE, "decoded");
    });

    it("audio: encoder_embeddings of log_mel", async () => {
      const get = goldenFile("audio");
      const graph = buildGraph({
        kind: "whisper_encoder",
        precision: "float32",
        ...profile,
      });
      await using session = await openGraph(graph);
      const { embeddings } = await session.run({ mel: paddedMel(get("log_mel")) });
      const expected = get("encoder_embeddings");
      const data = (embeddings!.data as Float32Array).subarray(0, expected.data.length);
      assertClose(float32(expected.dims, data), expected, TOLERANCE, "embeddings");
    });
  });

  it("float16 points where float32 does, in all networks", async () => {
    const options = { precision: "float16", profile: "tensorrt" } as const;
    const open = (kind: NetworkKind): Promise<TestSession> =>
      openGraph(buildGraph({ kind, ...options }), "basic");
    const unet = goldenFile("unet_f5");
    await using session = await open("unet");
    assertDirection((await session.run(goldenUNetFeeds(unet)))["noise_pred"], unet("out"), "unet");
    const vae = goldenFile("vae");
    await using encoder = await open("vae_encoder");
    const moments = await encoder.run({ image: vae("image") });
    assertDirection(moments["mean"], vae("mean"), "mean");
    assertDirection(moments["logvar"], vae("logvar"), "logvar");
    await using decoder = await open("vae_decoder");
    const decoded = await decoder.run({ latents: vae("latents") });
    assertDirection(decoded["image"], vae("decoded"), "decoded");
  });

  it("unet_f5: norms per frame, a variant that no published file uses, give something else", async () => {
    const get = goldenFile("unet_f5");
    const config = { ...model.unetConfig.model, useInflatedGroupnorm: true };
    const options = { profile: "cpu", precision: "float32", resolution: 128 } as const;
    await using session = await openGraph(buildUNet(config, model.unet, options), "basic");
    const { noise_pred: actual } = await session.run(goldenUNetFeeds(get));
    expect(difference(actual!.data, get("out").data).maxAbsolute).toBeGreaterThan(TOLERANCE);
  });
});

/** A mel of 120 frames, padded with zeros to a window. */
function paddedMel(mel: Tensor): Tensor {
  const [bands = 0, frames = 0] = mel.dims;
  const data = new Float32Array(bands * 3000);
  for (let band = 0; band < bands; band++) {
    const row = (mel.data as Float32Array).subarray(band * frames, (band + 1) * frames);
    data.set(row, band * 3000);
  }
  return float32([1, bands, 3000], data);
}
