/** Still images and animations as the video. */
import { writeFile } from "node:fs/promises";
import type { RgbImage } from "@ls/core";
import { psnr } from "@ls/testing";
import { createFfmpegVideoSink, createFfmpegVideoSource } from "@ls/video";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { images, make, missingFfmpeg, useFolder, writeBeeps } from "./media.ts";

const file = useFolder();
const COPIES = 50;

describe.skipIf(missingFfmpeg !== undefined)(`stills (${missingFfmpeg ?? "generated"})`, () => {
  it.each(["png", "jpg", "webp", "bmp", "tiff"])("one %s", async (extension) => {
    const path = await make(
      ...["-f", "lavfi", "-i", "testsrc2=s=640x361:r=25:d=0.04", "-frames:v", "1"],
      file(`still.${extension}`),
    );
    const audioPath = await writeBeeps(file("sound.wav"), 3, [0.5]);
    await using source = await createFfmpegVideoSource().open(path);
    const output = file(`${extension}.mp4`);
    await using writer = await createFfmpegVideoSink({ crf: 8 }).create({
      path: output,
      source,
      audioPath,
    });
    for await (const decoded of source.frames()) {
      using frame = decoded;
      for (let copy = 0; copy < COPIES; copy++) await writer.write(frame);
    }
    await writer.finish();
    const [still] = await images(path, 1);
    const shown = await images(output, COPIES + 1);
    // The odd height is filled up by a copy of the last row.
    const length = 640 * 361 * 3;
    const worst = Math.min(
      ...shown.map(({ data }) => psnr((still as RgbImage).data, data.subarray(0, length))),
    );
    // Sharp edges between full colours lose most of it to 4:2:0.
    const passed = source.info.estimatedFrameCount === 1 && shown.length === COPIES && worst > 25;
    await record({
      row: 22,
      input: `a ${extension} image of 640x361`,
      what: `shown for ${COPIES} frames in an MP4 of 4:2:0: the worst frame`,
      figures: { frames: shown.length, psnrDb: Number(worst.toFixed(1)) },
      passed,
    });
    expect(passed).toBe(true);
  });

  it.each(["gif", "apng"])("an animated %s", async (extension) => {
    const path = await make(
      ...["-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2"],
      file(`animated.${extension}`),
    );
    await using source = await createFfmpegVideoSource().open(path, { framesPerSecond: "source" });
    let worst = 0;
    let count = 0;
    for await (const decoded of source.frames()) {
      using frame = decoded;
      worst = Math.max(worst, Math.abs(frame.timeSeconds - count / 10));
      count += 1;
    }
    const passed = count === 20 && worst < 0.001;
    await record({
      row: 22,
      input: `an animated ${extension}, 20 pictures of 0.1 s`,
      what: "read at the source's times",
      figures: { frames: count, worstMs: Number((worst * 1000).toFixed(2)) },
      passed,
    });
    expect(passed).toBe(true);
  });

  it("an animated webp is read or refused in one sentence", async () => {
    const path = await make(
      ...["-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-c:v", "libwebp_anim"],
      file("animated.webp"),
    );
    const outcome = await images(path, 20).then(
      (found) => `${found.length} pictures`,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const passed = /^\d+ pictures$/.test(outcome) || outcome.includes("animated.webp");
    await record({
      row: 22,
      input: "an animated webp, 10 pictures",
      what: "what comes of it",
      figures: { outcome: outcome.replaceAll(path, "animated.webp") },
      passed,
    });
    expect(passed).toBe(true);
  });

  it("a text named .png is refused", async () => {
    await writeFile(file("letter.png"), "Dear reader,\n".repeat(50));
    await expect(images(file("letter.png"), 1)).rejects.toThrow("letter.png");
  });
});
