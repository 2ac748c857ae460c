export * from "./errors.ts";
export * from "./face.ts";
export {
  type FaceSelection,
  type FaceTimeline,
  type FaceTimelineOptions,
  type TimelineFace,
  trackFaces,
} from "./faces/face-timeline.ts";
export { speakingSeconds } from "./faces/speaker.ts";
export * from "./footage.ts";
export * from "./image.ts";
export * from "./model.ts";
export * from "./occlusion.ts";
export * from "./resources.ts";
export * from "./runtime.ts";
export * from "./segments.ts";
export * from "./speech.ts";
export * from "./tensor.ts";
export * from "./trace.ts";
export * from "./video.ts";
export * from "./random/normal-generator.ts";
export * from "./random/torch-cpu.ts";
export * from "./random/torch-cuda.ts";
export * from "./schedulers/create-scheduler.ts";
export * from "./schedulers/scheduler.ts";
export type { TimestepSpacing } from "./schedulers/timesteps.ts";
export * from "./quality.ts";
export type { StepInterval } from "./diffusion/guidance.ts";
export * from "./latent-sync.ts";
export type {
  ChunkEvent,
  DoneEvent,
  FramesEvent,
  LipSyncEvent,
  LipSyncResult,
  PlanEvent,
  StageEvent,
  StepEvent,
} from "./pipeline/events.ts";
export {
  ChunkDenoiser,
  type ChunkDenoiserOptions,
  type ChunkToDenoise,
} from "./pipeline/chunk-denoiser.ts";
export { frameSequence, type LoopMode } from "./pipeline/playback.ts";
export type { SilenceMode } from "./pipeline/speech-track.ts";
export type { ChunkLatents } from "./pipeline/lane.ts";
export { describePlan, type MemoryNeed, type RunPlan } from "./pipeline/memory-plan.ts";
