import { type Guidance, guidanceUse } from "../diffusion/guidance.ts";
import {
  DeepCacheNoisePredictor,
  ExactNoisePredictor,
  type NoisePredictor,
  type UNetSessions,
} from "../diffusion/noise-predictor.ts";
import { StepGroup } from "../diffusion/step-group.ts";
import { Vae } from "../diffusion/vae.ts";
import { LatentSyncError } from "../errors.ts";
import {
  GROUP_LENGTHS,
  hasStepGroups,
  type GraphKind,
  type LatentSyncModel,
  type UNetKind,
} from "../model.ts";
import type { SamplingSettings } from "../quality.ts";
import { graphPrecision, type Precision, type Runtime, type Session } from "../runtime.ts";
import { linearSteps } from "../schedulers/linear-steps.ts";
import type { Scheduler } from "../schedulers/scheduler.ts";

/** How a run will use the UNet. */
export interface UNetUse {
  /** Steps with guidance: `some` keeps to the graph that can do both, so that one is in memory. */
  readonly guidance: "all" | "some" | "none";
  /** Every so many steps are full ones; DeepCache is off if not given. */
  readonly deepCacheInterval?: number | undefined;
  /** Whether the scheduler can be put in numbers, as graphs of several steps need it. */
  readonly linear?: boolean;
}

/** What a run's settings ask of the UNet. */
export function unetUse(
  scheduler: Scheduler,
  guidance: Guidance,
  { deepCacheInterval }: Pick<SamplingSettings, "deepCacheInterval">,
): UNetUse {
  return {
    guidance: guidanceUse(guidance, scheduler.timesteps.length),
    deepCacheInterval: deepCacheInterval === 1 ? undefined : deepCacheInterval,
    linear: linearSteps(scheduler) !== undefined,
  };
}

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

  /** @param imagesPerRun images that go through it at once. */
  async vae(imagesPerRun: number, signal: AbortSignal): Promise<Vae> {
    const encoder = await this.session("vae_encoder", signal);
    const decoder = await this.session("vae_decoder", signal);
    const { info } = this.#model;
    return new Vae({ encoder, decoder, info, imagesPerRun });
  }

  async noisePredictor(use: UNetUse, signal: AbortSignal): Promise<NoisePredictor> {
    const open = async (kind: UNetKind): Promise<UNetSessions> =>
      use.guidance === "all"
        ? { guided: await this.session(`${kind}_guided`, signal) }
        : { plain: await this.session(kind, signal) };
    const { deepCacheInterval: interval } = use;
    if (interval === undefined) return new ExactNoisePredictor(await open("unet"));
    const group = await this.#stepGroup(use, signal);
    if (group !== undefined) {
      return new DeepCacheNoisePredictor({ full: {}, shallow: {}, interval, group });
    }
    const full = await open("unet_deepcache_full");
    const shallow = await open("unet_deepcache_shallow");
    return new DeepCacheNoisePredictor({ full, shallow, interval });
  }

  /** Several steps as one graph, where the runtime has such a graph for this use. */
  async #stepGroup(use: UNetUse, signal: AbortSignal): Promise<StepGroup | undefined> {
    const { guidance, deepCacheInterval, linear = false } = use;
    const length = GROUP_LENGTHS.find((candidate) => candidate === deepCacheInterval);
    const hasGraphs = hasStepGroups(this.#runtime.capabilities.profile);
    if (length === undefined || guidance === "some" || !linear || !hasGraphs) return undefined;
    const kind =
      guidance === "all"
        ? (`unet_group_${length}_guided` as const)
        : (`unet_group_${length}` as const);
    return new StepGroup({ session: await this.session(kind, signal), length });
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
