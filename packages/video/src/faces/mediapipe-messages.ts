/** What the MediaPipe detector and its worker thread say to each other. */
import type { Face, LatentSyncErrorCode, Rectangle } from "@ls/core";
import type { FaceFinderOptions } from "./face-finder.ts";
import type { FramePart } from "./image-sampling.ts";
import type { Mouth } from "./mouth.ts";
import type { TensorFlowBackend } from "./tensorflow.ts";

/** A face with its mouth, which FaceMesh's landmarks show. */
export interface MediaPipeFace extends Face {
  readonly mouth: Mouth;
  readonly mouthOpening: number;
}

/** The worker's `workerData`. */
export interface MediaPipeWorkerData {
  readonly backend: TensorFlowBackend;
  readonly modelFolder: string | undefined;
  readonly finder: FaceFinderOptions;
  readonly measureAppearance: boolean;
}

export interface DetectRequest {
  /** The frame, or of the frame that follows what the reply before asked for. Its buffer is moved. */
  readonly part: FramePart & { readonly data: Uint8Array<ArrayBuffer> };
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
      /** `undefined`: a face is lost, the whole frame is needed. */
      readonly faces: readonly MediaPipeFace[] | undefined;
      /** The part of the next frame that shows the faces; `undefined` if all of it is needed. */
      readonly nextRegion: Rectangle | undefined;
      /** The request's memory, moved back so that the next request can use it. */
      readonly pixels: ArrayBuffer;
    }
  | MediaPipeFailure;
