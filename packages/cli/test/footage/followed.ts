/** Follows the faces of footage with the default detector. */
import { type FaceSelection, type TimelineFace, trackFaces, type VideoReader } from "@ls/core";
import { createMediaPipeDetector } from "@ls/video";

/** The faces of every frame. */
export async function followFaces(
  reader: VideoReader,
  selection: FaceSelection = { kind: "all" },
): Promise<readonly (readonly TimelineFace[])[]> {
  await using detector = await createMediaPipeDetector();
  const end = Number.POSITIVE_INFINITY;
  await using timeline = trackFaces({ reader, detector, selection, end });
  const count = await timeline.frameCount();
  return await Promise.all(Array.from({ length: count }, (_, index) => timeline.at(index)));
}

/** Frames of which a track is shown that is not expected, or one missing that is. */
export function wrongFrames(
  frames: readonly (readonly TimelineFace[])[],
  expected: (index: number) => readonly number[],
): number[] {
  return frames.flatMap((faces, index) => {
    const tracks = faces.map(({ track }) => track);
    return tracks.join() === expected(index).join() ? [] : [index];
  });
}
