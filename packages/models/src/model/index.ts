export type { GraphProgress } from "./checkpoint-model.ts";
export { hashModelFiles, listModelFiles } from "./model-file-hashes.ts";
export {
  convertCheckpoint,
  openModel,
  type OpenedModel,
  type OpenModelSettings,
  type ModelReference,
} from "./open-model.ts";
export type { GraphGroup } from "./network-graphs.ts";
export {
  openRandomModel,
  type RandomModelOptions,
  type RandomModelSize,
  writeRandomModel,
} from "./random-model.ts";
