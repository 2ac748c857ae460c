import type { ModelInfo } from "../model.ts";
import type { NormalGenerator } from "../random/normal-generator.ts";
import type { Session } from "../runtime.ts";
import { float32, type Tensor } from "../tensor.ts";
import type { Moments } from "./moments-cache.ts";

/** Side of a latent picture. */
export function latentSizeOf(info: ModelInfo): number {
  return info.resolution / info.vaeScaleFactor;
}

/** The one draw that encoding `images` takes, `[images, 4, h, h]`. */
export function posteriorNoise(
  info: ModelInfo,
  images: number,
  random: NormalGenerator,
): Float32Array {
  return random.randn(images * info.latentChannels * latentSizeOf(info) ** 2);
}

/** The autoencoder between pixels and scaled latents. */
export class Vae {
  readonly #encoder: Session;
  readonly #decoder: Session;
  readonly #info: ModelInfo;
  readonly #imagesPerRun: number;

  /** @param options.imagesPerRun images that go through a network at once: memory against speed. */
  constructor(options: {
    readonly encoder: Session;
    readonly decoder: Session;
    readonly info: ModelInfo;
    readonly imagesPerRun: number;
  }) {
    this.#encoder = options.encoder;
    this.#decoder = options.decoder;
    this.#info = options.info;
    this.#imagesPerRun = options.imagesPerRun;
  }

  /**
   * The posterior of each image.
   * @param pixels `[images, 3, R, R]` in [-1, 1].
   */
  async moments(pixels: Float32Array, images: number, signal: AbortSignal): Promise<Moments[]> {
    const { resolution } = this.#info;
    const result: Moments[] = [];
    const dims = [3, resolution, resolution];
    await this.#inBatches(pixels, images, async (batch, _start, count) => {
      const feeds = { image: float32([count, ...dims], batch) };
      const moments = await this.#encoder.run(feeds, { signal });
      const mean = floats(moments["mean"]);
      const logVariance = floats(moments["logvar"]);
      const size = mean.length / count;
      for (let start = 0; start < mean.length; start += size) {
        // Copies, so that an image that is kept does not keep its batch.
        result.push({
          mean: mean.slice(start, start + size),
          logVariance: logVariance.slice(start, start + size),
        });
      }
    });
    return result;
  }

  /**
   * Samples posteriors.
   * @param noise `[images, 4, h, h]` from {@link posteriorNoise}.
   * @returns `[images, 4, h, h]`, scaled.
   */
  sample(moments: readonly Moments[], noise: Float32Array): Float32Array {
    const { scalingFactor, shiftFactor } = this.#info;
    const latents = new Float32Array(noise.length);
    let position = 0;
    for (const { mean, logVariance } of moments) {
      for (let index = 0; index < mean.length; index++) {
        const deviation = Math.exp(0.5 * (logVariance[index] as number));
        const sample = (mean[index] as number) + deviation * (noise[position] as number);
        latents[position] = (sample - shiftFactor) * scalingFactor;
        position += 1;
      }
    }
    return latents;
  }

  /**
   * @param latents `[images, 4, h, h]`, scaled.
   * @returns `[images, 3, R, R]`, about [-1, 1].
   */
  async decode(latents: Float32Array, images: number, signal: AbortSignal): Promise<Float32Array> {
    const { resolution, latentChannels, scalingFactor, shiftFactor } = this.#info;
    const latentSize = latentSizeOf(this.#info);
    const unscaled = latents.map((value) => value / scalingFactor + shiftFactor);
    const pixels = new Float32Array(images * 3 * resolution * resolution);
    await this.#inBatches(unscaled, images, async (batch, start, count) => {
      const dims = [count, latentChannels, latentSize, latentSize];
      const decoded = await this.#decoder.run({ latents: float32(dims, batch) }, { signal });
      pixels.set(floats(decoded["image"]), (start * pixels.length) / images);
    });
    return pixels;
  }

  async #inBatches(
    values: Float32Array,
    images: number,
    run: (batch: Float32Array, start: number, count: number) => Promise<void>,
  ): Promise<void> {
    const size = values.length / images;
    for (let start = 0; start < images; start += this.#imagesPerRun) {
      const count = Math.min(this.#imagesPerRun, images - start);
      await run(values.subarray(start * size, (start + count) * size), start, count);
    }
  }
}

function floats(value: Tensor | undefined): Float32Array {
  if (value?.data instanceof Float32Array) return value.data;
  throw new TypeError(`The VAE's graph gave ${value?.dtype ?? "nothing"} instead of float32.`);
}
