/** What `LatentSync.run` reports while it works. */
import type { RunPlan } from "./memory-plan.ts";

interface Progress {
  /** Since the run began. */
  readonly elapsedSeconds: number;
  /** Estimate from the denoising steps that this run has done; `undefined` until the first is done. */
  readonly remainingSeconds: number | undefined;
}

/** How the run will use devices and memory; comes first. */
export interface PlanEvent extends Progress {
  readonly type: "plan";
  readonly plan: RunPlan;
}

/** The run has entered a stage: `load` networks, `speech` analysis, `frames`, `finish` the file. */
export interface StageEvent extends Progress {
  readonly type: "stage";
  readonly stage: "load" | "speech" | "frames" | "finish";
}

/** A chunk of frames is about to be denoised, or its latents were kept by an earlier run. */
export interface ChunkEvent extends Progress {
  readonly type: "chunk";
  /** From 0. */
  readonly chunk: number;
  /** Chunks of the whole run, if every frame has a face. */
  readonly chunks: number;
  /** The chunk needs no denoising: one `step` event says that all its steps are done. */
  readonly restored?: true;
}

/** A denoising step is done. */
export interface StepEvent extends Progress {
  readonly type: "step";
  readonly chunk: number;
  readonly chunks: number;
  /** From 1 to `steps`. */
  readonly step: number;
  readonly steps: number;
  /** All steps of the chunk were done by an earlier run; `step` is `steps`. */
  readonly restored?: true;
}

/** Frames were handed to the encoder. */
export interface FramesEvent extends Progress {
  readonly type: "frames";
  readonly frames: number;
  readonly totalFrames: number;
}

/** The output is in place. */
export interface DoneEvent extends Progress {
  readonly type: "done";
  readonly result: LipSyncResult;
}

export type LipSyncEvent =
  | PlanEvent
  | StageEvent
  | ChunkEvent
  | StepEvent
  | FramesEvent
  | DoneEvent;

export interface LipSyncResult {
  /** Path of the finished video. */
  readonly output: string;
  readonly frames: number;
  /** Frames that had no face and were passed through unchanged. */
  readonly framesWithoutFace: number;
  readonly framesPerSecond: number;
  readonly elapsedSeconds: number;
}

/** An event without the clock's figures, which the run adds. */
export type BareEvent = LipSyncEvent extends infer Event
  ? Event extends LipSyncEvent
    ? Omit<Event, keyof Progress>
    : never
  : never;
