/** What the MediaPipe detector and its worker thread say to each other. */
import type { Face, LatentSyncErrorCode, RgbImage } from "@ls/core";
import type { FaceFinderOptions } from "./face-finder.ts";
import type { Mouth } from "./mouth.ts";
import type { TensorFlowBackend } from "./tensorflow.ts";

/** A face with its mouth, which FaceMesh's landmarks show. */
export interface MediaPipeFace extends Face {
  readonly mouth: Mouth;
}

/** The worker's `workerData`. */
export interface MediaPipeWorkerData {
  readonly backend: TensorFlowBackend;
  readonly modelFolder: string | undefined;
  readonly finder: FaceFinderOptions;
}

export interface DetectRequest {
  /** Its buffer is transferred. */
  readonly image: RgbImage & { readonly data: Uint8Array<ArrayBuffer> };
  readonly frameIndex: number;
}

/** An error in a form that survives the way between threads. */
export interface MediaPipeFailure {
  readonly kind: "failure";
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly cause: string | undefined;
}

export type MediaPipeReply =
  | { readonly kind: "ready"; readonly backend: string }
  | {
      readonly kind: "faces";
      readonly faces: readonly MediaPipeFace[];
      /** The request's pixels, moved back so that the next request can use their memory. */
      readonly pixels: ArrayBuffer;
    }
  | MediaPipeFailure;
