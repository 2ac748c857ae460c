import { FAKE_MODEL_INFO } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { ChunkEncoder, type IdentifiedFace } from "../src/diffusion/chunk-encoder.ts";
import type { ChunkConditioning, ChunkNoise } from "../src/diffusion/chunk.ts";
import { MomentsCache } from "../src/diffusion/moments-cache.ts";
import { Vae } from "../src/diffusion/vae.ts";
import type { Session } from "../src/runtime.ts";
import { float32 } from "../src/tensor.ts";

const { resolution, latentChannels } = FAKE_MODEL_INFO;
const SIDE = resolution / FAKE_MODEL_INFO.vaeScaleFactor;
const LATENT = latentChannels * SIDE ** 2;
const signal = new AbortController().signal;
/** Both numbers of a face's two posteriors take 4 bytes a latent. */
const BYTES_PER_FACE = 4 * LATENT * 4;

/** A VAE whose means are the sum of an image's pixels, and which counts its images. */
function countingVae(): { readonly vae: Vae; readonly encoded: () => number } {
  let encoded = 0;
  const encoder: Session = {
    inputs: [],
    outputs: [],
    run: async (feeds) => {
      const image = feeds["image"]!;
      const images = image.dims[0]!;
      encoded += images;
      const size = image.data.length / images;
      const means = Array.from({ length: images }, (_, index) =>
        (image.data as Float32Array)
          .subarray(index * size, (index + 1) * size)
          .reduce((sum, value, position) => sum + value * (1 + (position % 7)), 0),
      );
      const dims = [images, latentChannels, SIDE, SIDE];
      const mean = Float32Array.from({ length: images * LATENT }, (_, index) =>
        Math.sin(means[Math.floor(index / LATENT)]! + index),
      );
      return { mean: float32(dims, mean), logvar: float32(dims, mean.map(Math.cos)) };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const options = { encoder, decoder: encoder, info: FAKE_MODEL_INFO };
  return { vae: new Vae({ ...options, imagesPerRun: 1 }), encoded: () => encoded };
}

function face(index: number): IdentifiedFace {
  const pixels = new Uint8Array(3 * resolution ** 2).fill(10 + index);
  return { identity: `frame ${index}`, pixels };
}

function noiseOf(frames: number, seed: number): ChunkNoise {
  const draw = (offset: number): Float32Array =>
    Float32Array.from({ length: frames * LATENT }, (_, index) => Math.sin(seed + offset + index));
  return { masked: draw(0), faces: draw(1000) };
}

/** Keeps the left half. */
const mask = Float32Array.from({ length: resolution ** 2 }, (_, index) =>
  index % resolution < resolution / 2 ? 1 : 0,
);

async function encodeAll(
  vae: Vae,
  chunks: readonly (readonly number[])[],
  budgetBytes?: number,
): Promise<ChunkConditioning[]> {
  const encoder = new ChunkEncoder({
    ...{ vae, info: FAKE_MODEL_INFO, mask },
    ...(budgetBytes === undefined ? {} : { budgetBytes }),
  });
  const results: ChunkConditioning[] = [];
  for (const [seed, chunk] of chunks.entries()) {
    results.push(await encoder.encode(chunk.map(face), noiseOf(chunk.length, seed), signal));
  }
  return results;
}

describe("ChunkEncoder", () => {
  const pingPong = [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [0, 1],
  ];

  it("encodes a face that comes again once, and gives each coming its own noise", async () => {
    const once = countingVae();
    const repeated = await encodeAll(once.vae, pingPong);
    expect(once.encoded()).toBe(2 * 4);
    const always = countingVae();
    const plain = await encodeAll(always.vae, pingPong, 0);
    expect(always.encoded()).toBe(2 * 10);
    expect(repeated).toEqual(plain);
    const [forward, backward] = repeated;
    expect(forward!.channels).not.toEqual(backward!.channels);
  });

  it("encodes a face that a chunk has twice once", async () => {
    const { vae, encoded } = countingVae();
    await encodeAll(vae, [[5, 5]], 0);
    expect(encoded()).toBe(2);
  });

  it("puts the mask first, then the masked faces, then the faces", async () => {
    const { vae } = countingVae();
    const [{ channels, frames } = { channels: new Float32Array(), frames: 0 }] = await encodeAll(
      vae,
      [[0, 1]],
    );
    const plane = SIDE ** 2;
    expect(channels).toHaveLength((1 + 2 * latentChannels) * frames * plane);
    const expected = Float32Array.from({ length: frames * plane }, (_, index) =>
      index % SIDE < SIDE / 2 ? 1 : 0,
    );
    expect(channels.subarray(0, frames * plane)).toEqual(expected);
    const part = latentChannels * frames * plane;
    const masked = channels.subarray(frames * plane, frames * plane + part);
    expect(masked).not.toEqual(channels.subarray(frames * plane + part));
  });
});

describe("MomentsCache", () => {
  const moments = (value: number): Float32Array => new Float32Array(LATENT).fill(value);
  const entry = (value: number): Parameters<MomentsCache["set"]>[1] => {
    const both = { mean: moments(value), logVariance: moments(-value) };
    return { masked: both, face: both };
  };

  it("drops what was asked for longest ago, to stay within its budget", () => {
    const cache = new MomentsCache({ budgetBytes: 2 * BYTES_PER_FACE });
    cache.set("a", entry(1));
    cache.set("b", entry(2));
    expect(cache.get("a")).toBeDefined();
    cache.set("c", entry(3));
    expect(cache.get("b")).toBeUndefined();
    expect(cache.get("a")).toEqual(entry(1));
    expect(cache.get("c")).toEqual(entry(3));
    cache.set("c", entry(4));
    expect(cache.get("a")).toBeDefined();
  });

  it("keeps nothing that is larger than its budget", () => {
    const cache = new MomentsCache({ budgetBytes: BYTES_PER_FACE - 1 });
    cache.set("a", entry(1));
    expect(cache.get("a")).toBeUndefined();
  });
});
