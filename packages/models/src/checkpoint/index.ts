export { checkTensors, type CheckTensorsOptions } from "./check-tensors.ts";
export {
  type SafetensorsContent,
  type TorchCheckpointContent,
  type WritableDtype,
  writeSafetensors,
  writeTorchCheckpoint,
} from "./checkpoint-writer.ts";
export { type DiffusersFolder, openDiffusersFolder } from "./diffusers-folder.ts";
export {
  type ModelCheckpoint,
  openModelFiles,
  openModelFolder,
  type OpenModelOptions,
} from "./model-checkpoint.ts";
export { findModelFiles, type ModelFiles, type ModelLocation } from "./model-files.ts";
export {
  formatNoiseSchedule,
  formatUNetConfig,
  formatVaeConfig,
  type ModelFolderContent,
  writeModelFolder,
} from "./model-folder-writer.ts";
export { parseNoiseSchedule } from "./noise-schedule.ts";
export type { WritableValue } from "./pickle-writer.ts";
export {
  publishedNoiseSchedule,
  type PublishedUNetConfigName,
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
} from "./published-configs.ts";
export { describeCheckpoint } from "./published-versions.ts";
export { createRandomTensors, type TensorTable } from "./random-tensors.ts";
export { openSafetensors, openShards } from "./safetensors.ts";
export type { CheckpointDtype, TensorEntry, TensorSource } from "./tensor-source.ts";
export {
  type CheckpointMetadata,
  openTorchCheckpoint,
  type TorchCheckpoint,
} from "./torch-checkpoint.ts";
export {
  type DownBlockType,
  type MotionModuleConfig,
  parseUNetConfig,
  type UNetConfig,
  type UNetDataConfig,
  type UNetModelConfig,
  type UNetRunConfig,
  type UpBlockType,
} from "./unet-config.ts";
export { parseVaeConfig, type VaeConfig } from "./vae-config.ts";
export { parseWhisperDims, type WhisperDims } from "./whisper-dims.ts";
