/** Every codec in every container that takes it, decoded by the system's FFmpeg. */
import { stat } from "node:fs/promises";
import type { VideoCodec } from "@ls/video";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import {
  copyVideo,
  lumaPsnrDb,
  make,
  missingFfmpeg,
  probe,
  useFolder,
  writeBeeps,
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
    const input = await make(
      ...["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=1", "-pix_fmt", "yuv420p10le"],
      ...["-c:v", "libx264", "-preset", "veryfast", "-qp", "6", file("in.mp4")],
    );
    const audioPath = await writeBeeps(file("sound.wav"), 2, [0.1]);
    const output = file(`${codec}.${extension}`);
    const options = { audioPath, codec, framesPerSecond: "source" } as const;
    await copyVideo(input, output, options);
    const entries = ["-count_frames", "-select_streams", "v", "-show_entries"];
    const said = await probe(...entries, "stream=pix_fmt,nb_read_frames", output);
    const worst = await lumaPsnrDb(input, output);
    const passed = said.startsWith(`${format},${FRAMES}`) && worst > 38;
    await record({
      row: 23,
      input: "10 bit H.264, 640x360, 25 frames",
      what: `copied to ${codec} in .${extension}: pixels, luma of the worst frame, bytes`,
      figures: {
        format: said.split(",")[0] ?? "",
        psnrDb: Number.isFinite(worst) ? Number(worst.toFixed(1)) : "identical",
        kibibytes: Math.round((await stat(output)).size / 1024),
      },
      passed,
    });
    expect(passed).toBe(true);
  });
});
