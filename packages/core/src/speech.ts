/** The speech seam: from a sound file to what the UNet's cross-attention reads for every frame. */
import type { Session } from "./runtime.ts";

/** What a model frame is told of the speech. */
export interface SpeechFrame {
  /** `[50, width]` float32: what the UNet's cross-attention reads. */
  readonly features: Float32Array;
  /** Whether there is speech at this moment, as far as the encoder can tell; pauses within it count. */
  readonly voiced: boolean;
}

export interface SpeechFeatures extends AsyncDisposable {
  /** Video frames that the speech lasts for, at 25 frames per second. */
  readonly frameCount: number;
  /** Length of the sound in seconds. */
  readonly durationSeconds: number;
  /** Elements per frame: tokens x width, 50 x cross-attention width at the published settings. */
  readonly elementsPerFrame: number;
  /**
   * Frames in order, `frameCount` in all. Encodes windows as they are needed, so memory does not
   * grow with the length of the sound.
   */
  frames(options?: { readonly signal?: AbortSignal }): AsyncIterable<SpeechFrame>;
  /**
   * `[50, width]` float32: what the UNet's cross-attention reads where there is silence. In place of a
   * frame's own features it lets the mouth rest. Takes one run of the encoder.
   */
  silence(options?: { readonly signal?: AbortSignal }): Promise<Float32Array>;
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
