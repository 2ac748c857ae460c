/**
 * The occlusion seam: what lies in front of a face, such as a hand or a microphone, and must stay on
 * top of the new mouth.
 */
export interface OcclusionDetector extends AsyncDisposable {
  /**
   * What covers the faces of one person in frames that follow one another.
   * @param faces `[3, resolution, resolution]` uint8 each, RGB planes, as the aligner gives them.
   * @returns for each face `[resolution, resolution]` float32 from 0, free, to 1, covered: the
   *   frame's own pixel stays; `undefined` for a face that nothing covers.
   */
  detect(
    faces: readonly Uint8Array[],
    resolution: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly (Float32Array | undefined)[]>;
}
