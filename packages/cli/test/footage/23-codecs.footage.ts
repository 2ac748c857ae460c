/** Every codec in every container that takes it, decoded by the system's FFmpeg. */
import { stat } from "node:fs/promises";
import type { VideoCodec } from "@ls/video";
import { describe, expect, it } from "vitest";
import { decibels, record } from "./figures.ts";
import {
  copyVideo,
  lumaPsnrDb,
  makePattern,
  missingFfmpeg,
  probePictures,
  useFolder,
} from "./media.ts";

const file = useFolder();
const FRAMES = 25;

const ROWS: readonly (readonly [codec: VideoCodec, extension: string, bits: string])[] = [
  ["h264", "mp4", "yuv420p"],
  ["h264", "mov", "yuv420p"],
  ["h264", "mkv", "yuv420p"],
  ["hevc", "mp4", "yuv420p10le"],
  ["hevc", "mov", "yuv420p10le"],
  ["hevc", "mkv", "yuv420p10le"],
  ["av1", "mp4", "yuv420p10le"],
  ["av1", "mkv", "yuv420p10le"],
  ["av1", "webm", "yuv420p10le"],
  ["vp9", "mp4", "yuv420p10le"],
  ["vp9", "mkv", "yuv420p10le"],
  ["vp9", "webm", "yuv420p10le"],
  ["prores", "mov", "yuv422p10le"],
  ["prores", "mkv", "yuv422p10le"],
  ["ffv1", "mkv", "yuv420p10le"],
];

describe.skipIf(missingFfmpeg !== undefined)(`codecs (${missingFfmpeg ?? "generated"})`, () => {
  it.each(ROWS)("%s in %s", async (codec, extension, format) => {
    // H.264 of 10 bit, which many cameras write.
    const input = await makePattern(
      "640x360",
      1,
      ...["-pix_fmt", "yuv420p10le"],
      ...["-c:v", "libx264", "-preset", "veryfast", "-qp", "6", file("in.mp4")],
    );
    const output = file(`${codec}.${extension}`);
    await copyVideo(input, output, { codec, framesPerSecond: "source" });
    const said = await probePictures(output, "stream=pix_fmt,nb_read_frames", "-count_frames");
    const worst = await lumaPsnrDb(input, output);
    const passed = said.startsWith(`${format},${FRAMES}`) && worst > 38;
    await record({
      row: 23,
      input: "10 bit H.264, 640x360, 25 frames",
      what: `copied to ${codec} in .${extension}: pixels, luma of the worst frame, bytes`,
      figures: {
        format: said.split(",")[0] ?? "",
        psnrDb: decibels(worst),
        kibibytes: Math.round((await stat(output)).size / 1024),
      },
      passed,
    });
    expect(passed).toBe(true);
  });
});
