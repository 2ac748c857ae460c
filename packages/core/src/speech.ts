/** The speech seam: from a sound file to what the UNet's cross-attention reads for every frame. */
import type { Session } from "./runtime.ts";

export interface SpeechFeatures extends AsyncDisposable {
  /** Video frames that the speech lasts for, at 25 frames per second. */
  readonly frameCount: number;
  /** Length of the sound in seconds. */
  readonly durationSeconds: number;
  /** Elements per frame: tokens x width, 50 x cross-attention width at the published settings. */
  readonly elementsPerFrame: number;
  /**
   * Features of frames in order, `frameCount` in all: each `[50, width]` float32. Encodes windows
   * as they are needed, so memory does not grow with the length of the sound.
   */
  frames(options?: { readonly signal?: AbortSignal }): AsyncIterable<Float32Array>;
}

export interface SpeechEncoder {
  /**
   * Opens a sound file (or a video's sound).
   * @param whisper session of the Whisper encoder: `mel [1, 80, 3000]` to `embeddings
   *   [1500, layers + 1, width]`.
   * @throws LatentSyncError `not_found` or `invalid_media`.
   */
  open(
    path: string,
    whisper: Session,
    options?: { readonly signal?: AbortSignal },
  ): Promise<SpeechFeatures>;
}
