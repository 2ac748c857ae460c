/**
 * The engine seam: what a worker process runs. The server does not import the pipeline; it is given
 * the URL of a module whose `createEngine` is an {@link EngineFactory}, and imports that in the
 * worker, so that a crash of native code costs one attempt and not the server.
 */
import type { FaceSelection, FootageOptions, LipSyncEvent, Quality, SchedulerName } from "@ls/core";

/** What to make of a job's footage, as far as JSON can say it. What is absent is as usual. */
export interface JobFootage extends Pick<
  FootageOptions,
  "loop" | "silence" | "framesPerSecond" | "startSeconds" | "endSeconds"
> {
  readonly face?: Exclude<FaceSelection, { readonly kind: "like" }>;
}

export interface EngineRequest {
  readonly videoPath: string;
  readonly audioPath: string;
  /** Appears when it is complete. */
  readonly outputPath: string;
  /** Folder for finished segments; a later attempt with the same request continues from them. */
  readonly segmentsFolder: string;
  readonly inferenceSteps: number;
  readonly guidanceScale: number;
  /** A preset for what is not given here. */
  readonly quality?: Quality;
  readonly scheduler?: SchedulerName;
  readonly seed: number;
  readonly footage: JobFootage;
  readonly signal: AbortSignal;
}

/** For manifests. */
export interface EngineDescription {
  readonly software: { readonly name: string; readonly version: string };
  readonly model: { readonly name: string; readonly files: Readonly<Record<string, string>> };
  readonly runtime: {
    readonly name: string;
    readonly hardware: string;
    /** Arithmetic of the networks, such as `float32`. */
    readonly precision: string;
  };
  /** What an operator should read once, such as a licence. */
  readonly notices: readonly string[];
}

export interface Engine extends AsyncDisposable {
  readonly description: EngineDescription;
  /** The last event is `done`. */
  run(request: EngineRequest): AsyncIterable<LipSyncEvent>;
}

/** Options are plain JSON, as they cross a process boundary. */
export type EngineFactory = (
  options: Readonly<Record<string, unknown>>,
  context: { readonly signal: AbortSignal },
) => Promise<Engine>;
