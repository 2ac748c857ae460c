/** Measures mouths with the default face detector: the `MouthRuler` of `@ls/testing`. */
import type { AlignmentPoints, RgbImage } from "@ls/core";
import { createMediaPipeDetector, type MediaPipeDetectorOptions } from "./mediapipe.ts";
import type { Mouth } from "./mouth.ts";

/** A mouth, and where the face around it lies. */
export interface MouthMeasure extends Mouth {
  /** The face's points for the aligner, in pixels of the frame. */
  readonly points: AlignmentPoints;
}

export interface MouthRuler extends AsyncDisposable {
  /**
   * The mouth of the frame's largest face, the one that is lip-synced; `undefined` if there is none.
   * @param frameIndex position of the frame in its video; 0 starts another video.
   */
  measure(
    image: RgbImage,
    frameIndex: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<MouthMeasure | undefined>;
}

/**
 * Starts a detector of its own, for one video after another.
 * @throws LatentSyncError as `createMediaPipeDetector`.
 */
export async function createMouthRuler(
  options: MediaPipeDetectorOptions = {},
): Promise<MouthRuler> {
  const detector = await createMediaPipeDetector({ measureAppearance: false, ...options });
  return {
    async measure(image, frameIndex, callOptions) {
      const [face] = await detector.detect(image, frameIndex, callOptions);
      return face === undefined ? undefined : { ...face.mouth, points: face.points };
    },
    [Symbol.asyncDispose]: () => detector[Symbol.asyncDispose](),
  };
}
