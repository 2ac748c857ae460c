/** What the aligner and its workers say to each other. */
import {
  type AffineMatrix,
  type ImagePatch,
  LatentSyncError,
  type LatentSyncErrorCode,
} from "@ls/core";

/** Given to a worker when it starts. */
export interface AlignWorkerData {
  readonly resolution: number;
}

export interface AlignRequest {
  readonly kind: "align";
  /** Its buffer is transferred. */
  readonly background: ImagePatch;
  readonly matrix: AffineMatrix;
}

export interface RestoreRequest {
  readonly kind: "restore";
  /** Its buffer is transferred. */
  readonly face: Float32Array<ArrayBuffer>;
  /** Its buffer is transferred, and comes back as the result. */
  readonly background: ImagePatch;
  readonly matrix: AffineMatrix;
}

export type AlignWorkerRequest = AlignRequest | RestoreRequest;

/** An error that survives the way between threads. */
export interface PlainError {
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The answer to one request: aligned planes, restored pixels, or what went wrong. */
export type AlignWorkerReply =
  | { readonly pixels: Uint8Array<ArrayBuffer> }
  | { readonly error: PlainError };

export function toPlainError(error: unknown): PlainError {
  if (LatentSyncError.is(error)) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "runtime", message: `Face aligner: ${message}`, hint: undefined };
}

export function fromPlainError({ code, message, hint }: PlainError): LatentSyncError {
  return new LatentSyncError(code, message, hint === undefined ? {} : { hint });
}
