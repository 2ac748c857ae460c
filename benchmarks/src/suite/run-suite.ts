/** Runs an evaluation set through the whole pipeline, and measures what comes of it. */
import { join } from "node:path";
import { createSpeechEncoder } from "@ls/audio";
import {
  type FaceAligner,
  LatentSync,
  LatentSyncError,
  type LatentSyncModel,
  type LipSyncResult,
  type Precision,
  type Resources,
  type Runtime,
} from "@ls/core";
import { evaluateLipSync, type LipSyncEvaluation, type MouthRuler } from "@ls/testing";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createMediaPipeDetector,
  createMouthRuler,
} from "@ls/video";
import type { BenchmarkEnvironment } from "../report.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";
import { timed } from "../timed.ts";
import { type SuiteCase, selectCases, suiteName } from "./cases.ts";
import { checkComparable } from "./compare-suites.ts";
import { hashingSink } from "./frame-hash.ts";
import { type SuiteClip, writeSuiteClip } from "./suite-clip.ts";
import {
  SUITE_REPORT_FORMAT,
  type SuiteCaseResult,
  type SuiteFigures,
  type SuiteReport,
  type SuiteSettings,
} from "./suite-report.ts";
import { type TimedRuntime, timedRuntime } from "./timed-runtime.ts";

const GUIDANCE_SCALE = 1.5;
const SEED = 1247;
/** In a clip of a second, more would be chance. */
const MAX_LAG_FRAMES = 5;

export interface SuiteOptions {
  readonly model: LatentSyncModel;
  readonly runtime: Runtime;
  readonly precision: Precision;
  readonly inferenceSteps: number;
  /** Names of the cases to run; default: all. */
  readonly cases?: readonly string[] | undefined;
  /** A report to compare with later: if that will not be possible, nothing is run. */
  readonly baseline?: SuiteReport | undefined;
  /** Goes into the report. */
  readonly environment: BenchmarkEnvironment;
  readonly signal: AbortSignal;
  /** Called after each case; `index` counts from 0. */
  readonly onCase?: (result: SuiteCaseResult, index: number, count: number) => void;
}

/**
 * Lip-syncs every case and measures it. A case that fails is part of the report.
 * @throws LatentSyncError `invalid_argument` for an unknown case or a baseline that cannot be compared;
 *   the signal's reason.
 */
export async function runSuite(options: SuiteOptions): Promise<SuiteReport> {
  const { inferenceSteps, baseline, environment, signal, onCase } = options;
  const { name, hash, resolution } = options.model.info;
  const chosen = selectCases(options.cases);
  const settings = { inferenceSteps, guidanceScale: GUIDANCE_SCALE, seed: SEED };
  await using runner = await inTemporaryFolder((folder, resources) =>
    createRunner(options, { folder, resources, settings, chosen }),
  );
  if (baseline !== undefined) {
    const inputs = runner.clips.map((clip) => ({ name: clip.case.name, inputs: clip.inputs }));
    checkComparable(baseline, { suite: suiteName, settings, cases: inputs }, options.cases);
  }
  const cases: SuiteCaseResult[] = [];
  for (const [index, clip] of runner.clips.entries()) {
    signal.throwIfAborted();
    const result = await runner.run(clip);
    cases.push(result);
    onCase?.(result, index, runner.clips.length);
  }
  return {
    format: SUITE_REPORT_FORMAT,
    suite: suiteName,
    settings,
    model: { name, hash, resolution },
    runtime: { name: options.runtime.name, precision: options.precision },
    environment,
    cases,
  };
}

interface Preparation {
  readonly folder: string;
  readonly resources: Resources;
  readonly settings: SuiteSettings;
  readonly chosen: readonly SuiteCase[];
}

async function createRunner(
  { model, runtime, precision, signal }: SuiteOptions,
  { folder, resources, settings, chosen }: Preparation,
): Promise<SuiteRunner> {
  const clips: SuiteClip[] = [];
  for (const suiteCase of chosen) clips.push(await writeSuiteClip(suiteCase, { folder, signal }));
  const clock = timedRuntime(runtime);
  const { resolution, audioFeatureLength } = model.info;
  const detector = resources.use(await createMediaPipeDetector({ signal }));
  const aligner = resources.use(createFaceAligner({ resolution }));
  const engine = resources.use(
    await LatentSync.load({
      model,
      runtime: clock.runtime,
      precision,
      speech: createSpeechEncoder({ audioFeatureLength }),
      source: createFfmpegVideoSource(),
      sink: createFfmpegVideoSink({ codec: "ffv1" }),
      detector,
      aligner,
    }),
  );
  const ruler = resources.use(await createMouthRuler({ signal }));
  return new SuiteRunner({
    ...{ clips, clock, engine, aligner, ruler, resources, settings, folder, signal },
  });
}

interface SuiteRunnerParts {
  readonly clips: readonly SuiteClip[];
  readonly clock: TimedRuntime;
  readonly engine: LatentSync;
  readonly aligner: FaceAligner;
  readonly ruler: MouthRuler;
  /** All of these, and the folder. */
  readonly resources: Resources;
  readonly settings: SuiteSettings;
  readonly folder: string;
  readonly signal: AbortSignal;
}

class SuiteRunner implements AsyncDisposable {
  readonly clips: readonly SuiteClip[];
  readonly #parts: SuiteRunnerParts;

  constructor(parts: SuiteRunnerParts) {
    this.clips = parts.clips;
    this.#parts = parts;
  }

  async run(clip: SuiteClip): Promise<SuiteCaseResult> {
    const { clock } = this.#parts;
    const output = join(this.#parts.folder, `${clip.case.name}-output.mkv`);
    const hashing = hashingSink(createFfmpegVideoSink({ codec: "ffv1" }));
    clock.takeSeconds();
    const { result: synced, peakMemoryBytes } = await timed(() =>
      this.#attempt(() => this.#synchronize(clip, output, hashing.sink)),
    );
    const modelSeconds = clock.takeSeconds();
    const measured =
      synced.value === undefined
        ? undefined
        : await this.#attempt(() => this.#evaluate(clip, output));
    return {
      name: clip.case.name,
      inputs: clip.inputs,
      expected: clip.case.expected,
      failure: synced.failure,
      message: synced.message ?? measured?.message ?? null,
      framesSha256: synced.value === undefined ? null : hashing.digest(),
      figures: collectFigures(synced.value, measured?.value),
      modelSeconds,
      peakMemoryBytes,
    };
  }

  async #synchronize(
    { videoPath: video, audioPath: audio }: SuiteClip,
    output: string,
    sink: ReturnType<typeof createFfmpegVideoSink>,
  ): Promise<LipSyncResult> {
    const { engine, settings, signal } = this.#parts;
    for await (const event of engine.run({ video, audio, output, sink, signal, ...settings })) {
      if (event.type === "done") return event.result;
    }
    throw new LatentSyncError("runtime", "The run ended without a result.");
  }

  async #evaluate(clip: SuiteClip, output: string): Promise<LipSyncEvaluation> {
    const { ruler, aligner: geometry, signal } = this.#parts;
    const source = createFfmpegVideoSource();
    await using video = await source.open(output, { signal });
    await using original = await source.open(clip.videoPath, { signal });
    return await evaluateLipSync({
      video,
      truth: clip.truth,
      source: { video: original, geometry },
      ruler,
      maxLagFrames: MAX_LAG_FRAMES,
      signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.resources[Symbol.asyncDispose]();
  }

  /** What `work` gives, or how it failed; an abort is passed on. */
  async #attempt<T>(work: () => Promise<T>): Promise<Attempt<T>> {
    const { signal, folder } = this.#parts;
    try {
      return { value: await work(), failure: null, message: null };
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      return {
        value: undefined,
        failure: LatentSyncError.is(error) ? error.code : "internal",
        // The folder has another name every time.
        message: message.replaceAll(join(folder, "/"), ""),
      };
    }
  }
}

interface Attempt<T> {
  readonly value: T | undefined;
  readonly failure: string | null;
  readonly message: string | null;
}

function collectFigures(
  result: LipSyncResult | undefined,
  evaluation: LipSyncEvaluation | undefined,
): SuiteFigures {
  return {
    frames: result?.frames ?? null,
    framesWithoutFace: result?.framesWithoutFace ?? null,
    correlation: evaluation?.correlation ?? null,
    lagFrames: evaluation?.bestLag?.lagFrames ?? null,
    ssimOutsideFace: evaluation?.ssimOutsideFace ?? null,
    mouthPsnrDb: evaluation?.mouthPsnrDb ?? null,
    movement: evaluation?.movement.measured ?? null,
    trueMovement: evaluation?.movement.truth ?? null,
  };
}
