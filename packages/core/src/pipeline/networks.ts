import {
  DeepCacheNoisePredictor,
  ExactNoisePredictor,
  type NoisePredictor,
} from "../diffusion/noise-predictor.ts";
import { Vae } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import type { GraphKind, LatentSyncModel } from "../model.ts";
import { graphPrecision, type Precision, type Runtime, type Session } from "../runtime.ts";

/** DeepCache as the official script sets it. */
const DEEP_CACHE_INTERVAL = 3;

/** A model's sessions on a runtime: each is opened when it is first needed and kept until disposal. */
export class Networks implements AsyncDisposable {
  readonly #model: LatentSyncModel;
  readonly #runtime: Runtime;
  readonly #precision: Precision;
  readonly #sessions = new Map<GraphKind, Promise<Session>>();
  #disposed = false;

  constructor(options: {
    readonly model: LatentSyncModel;
    readonly runtime: Runtime;
    readonly precision: Precision;
  }) {
    this.#model = options.model;
    this.#runtime = options.runtime;
    this.#precision = options.precision;
  }

  /** Opens the graph, or waits for whoever is opening it. A failed attempt is not remembered. */
  session(kind: GraphKind, signal: AbortSignal): Promise<Session> {
    if (this.#disposed) {
      throw new LatentSyncError("disposed", "The engine was used after it was disposed.");
    }
    const known = this.#sessions.get(kind);
    if (known !== undefined) return known;
    const opening = this.#open(kind, signal);
    this.#sessions.set(kind, opening);
    opening.catch(() => this.#sessions.delete(kind));
    return opening;
  }

  async vae(signal: AbortSignal): Promise<Vae> {
    const encoder = await this.session("vae_encoder", signal);
    const decoder = await this.session("vae_decoder", signal);
    const { info } = this.#model;
    // On a CPU a batch is no faster than its images one by one, and takes their memory together.
    const imagesPerRun = this.#runtime.capabilities.device === "cpu" ? 1 : info.framesPerChunk;
    return new Vae({ encoder, decoder, info, imagesPerRun });
  }

  async noisePredictor(deepCache: boolean, signal: AbortSignal): Promise<NoisePredictor> {
    if (!deepCache) return new ExactNoisePredictor(await this.session("unet", signal));
    const full = await this.session("unet_deepcache_full", signal);
    const shallow = await this.session("unet_deepcache_shallow", signal);
    return new DeepCacheNoisePredictor({ full, shallow, interval: DEEP_CACHE_INTERVAL });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const opened = await Promise.allSettled(this.#sessions.values());
    this.#sessions.clear();
    const sessions = opened.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    await Promise.all(sessions.map(async (session) => session[Symbol.asyncDispose]()));
  }

  async #open(kind: GraphKind, signal: AbortSignal): Promise<Session> {
    const { profile } = this.#runtime.capabilities;
    const precision = this.#precision;
    const graph = await this.#model.graph({
      kind,
      profile,
      precision: graphPrecision(precision),
      signal,
    });
    return this.#runtime.createSession(graph, { precision, signal });
  }
}
