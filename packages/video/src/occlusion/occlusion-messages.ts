/** What the occlusion detector and its worker thread say to each other. */
import type { LatentSyncErrorCode } from "@ls/core";

/** The worker's `workerData`. */
export interface OcclusionWorkerData {
  readonly modelFolder: string | undefined;
}

export interface OcclusionRequest {
  /** `[3, resolution, resolution]` uint8 each; their buffers are moved. */
  readonly faces: readonly Uint8Array<ArrayBuffer>[];
  readonly resolution: number;
}

/** An error in a form that survives the way between threads. */
export interface OcclusionFailure {
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

export type OcclusionReply =
  | { readonly covers: readonly (Float32Array<ArrayBuffer> | undefined)[] }
  | { readonly failure: OcclusionFailure };
