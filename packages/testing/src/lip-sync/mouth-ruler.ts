/** The seam of what measures mouths. `@ls/video` makes one with `createMouthRuler`. */
import type { AlignmentPoints, Rectangle, RgbImage } from "@ls/core";

/** A mouth in a frame. */
export interface MouthMeasure {
  /** How far the lips are apart, in units of the face: 0 when closed. */
  readonly opening: number;
  /** Around the lips, in pixels of the frame. */
  readonly box: Rectangle;
  /** The face's points for the aligner, in pixels of the frame. */
  readonly points: AlignmentPoints;
}

export interface MouthRuler {
  /**
   * The mouth that is lip-synced; `undefined` if the frame shows no face.
   * @param frameIndex position of the frame in its video, in order; 0 starts another video.
   */
  measure(
    image: RgbImage,
    frameIndex: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<MouthMeasure | undefined>;
}
