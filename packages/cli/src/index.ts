export { type LoadedEngine, load, type LoadOptions, type RunRequest } from "./load.ts";
export { main } from "./main.ts";
export type { RuntimeName } from "./options.ts";
export { LatentSyncError, type LipSyncEvent, type LipSyncRequest } from "@ls/core";
