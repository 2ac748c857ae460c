/** A held-out clip with what its outputs are compared with. */
import { join } from "node:path";
import type { Rectangle, VideoFrame } from "@ls/core";
import type { MouthRuler } from "@ls/testing";
import { createFfmpegVideoSink, createFfmpegVideoSource, writeVideo } from "@ls/video";
import { type HeldOutClip, writeHeldOutClip } from "../demo-model/held-out-clip.ts";

export interface TestClip extends HeldOutClip {
  readonly index: number;
  readonly truthPath: string;
  /** Around the true mouth, in every frame. */
  readonly mouths: readonly Rectangle[];
}

/** Of the mouth's width: what belongs to its region on every side. */
const MARGIN = 1 / 4;

export async function writeTestClip(options: {
  readonly folder: string;
  readonly index: number;
  readonly seconds: number;
  readonly ruler: MouthRuler;
}): Promise<TestClip> {
  const { folder, index, seconds, ruler } = options;
  const clip = await writeHeldOutClip(folder, index, seconds);
  const truthPath = join(folder, `${index}-truth.mkv`);
  await writeVideo({
    sink: createFfmpegVideoSink({ codec: "ffv1" }),
    path: truthPath,
    source: clip.truth,
    audioPath: clip.audioPath,
  });
  await using truth = await createFfmpegVideoSource().open(truthPath);
  const mouths: Rectangle[] = [];
  for await (const decoded of truth.frames()) {
    using frame = decoded;
    const measure = await ruler.measure(await frame.toRgb(), mouths.length);
    if (measure === undefined) throw new Error(`Clip ${index} has a frame without a face.`);
    mouths.push(withMargin(measure.box, frame));
  }
  return { ...clip, index, truthPath, mouths };
}

function withMargin(box: Rectangle, frame: VideoFrame): Rectangle {
  const margin = box.width * MARGIN;
  const x = Math.max(0, Math.floor(box.x - margin));
  const y = Math.max(0, Math.floor(box.y - margin));
  const right = Math.min(frame.width, Math.ceil(box.x + box.width + margin));
  const bottom = Math.min(frame.height, Math.ceil(box.y + box.height + margin));
  return { x, y, width: right - x, height: bottom - y };
}
