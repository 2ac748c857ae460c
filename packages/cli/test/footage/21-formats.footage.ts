/** Formats of pictures from the file to the file: what is not touched keeps its quality. */
import { execFileSync } from "node:child_process";
import type { ImagePatch, RgbImage, VideoFrame } from "@ls/core";
import { psnr } from "@ls/testing";
import { createFfmpegVideoSource, type VideoCodec } from "@ls/video";
import { describe, expect, it } from "vitest";
import { decibels, record } from "./figures.ts";
import {
  copyVideo,
  images,
  lumaPsnrDb,
  make,
  makePattern,
  missingFfmpeg,
  probePictures,
  useFolder,
} from "./media.ts";

const file = useFolder();
const SECONDS = 0.4;

/** A grey rectangle over a quarter of the frame. */
async function greyPatch({ width, height }: VideoFrame): Promise<readonly ImagePatch[]> {
  const patch = { x: width >> 2, y: height >> 2, width: width >> 1, height: height >> 1 };
  return [{ ...patch, data: new Uint8Array(patch.width * patch.height * 3).fill(128) }];
}

/** Bytes of all frames behind a filter, decoded by the system's FFmpeg. */
function rawVideo(path: string, filter: string, ...decoder: readonly string[]): Buffer {
  return execFileSync(
    "/usr/bin/ffmpeg",
    ["-v", "error", ...decoder, "-i", path, "-vf", filter, "-f", "rawvideo", "-"],
    { maxBuffer: 1 << 30 },
  );
}

/** Bytes of all frames outside the patch that differ, in one format. */
function changedOutside(before: string, after: string, format: string, size: string): number {
  const [width = 0, height = 0] = size.split("x").map(Number);
  // Black over the patch, and what its chroma samples share.
  const box = `drawbox=x=${(width >> 2) - 2}:y=${(height >> 2) - 2}:w=${(width >> 1) + 4}:h=${(height >> 1) + 4}:c=black@1:t=fill`;
  const filter = `format=${format},${box}`;
  const [one, other] = [rawVideo(before, filter), rawVideo(after, filter)];
  if (one.length !== other.length) return Number.POSITIVE_INFINITY;
  let changed = 0;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) changed += 1;
  return changed;
}

describe.skipIf(missingFfmpeg !== undefined)(`formats (${missingFfmpeg ?? "generated"})`, () => {
  it.each([
    ["8 bit 4:2:0", "yuv420p", "640x360"],
    ["10 bit 4:2:0 of 4K", "yuv420p10le", "3840x2160"],
    ["10 bit 4:2:2", "yuv422p10le", "640x360"],
    ["8 bit 4:4:4", "yuv444p", "640x360"],
    ["8 bit 4:2:0 with alpha", "yuva420p", "640x360"],
    ["10 bit 4:4:4 with alpha", "yuva444p10le", "640x360"],
    ["RGB", "bgr0", "640x360"],
  ])("pixels outside patches reach the encoder bit for bit: %s", async (name, format, size) => {
    const seconds = size === "3840x2160" ? 0.12 : SECONDS;
    const encoding = ["-pix_fmt", format, "-c:v", "ffv1", file(`${format}.mkv`)];
    const input = await makePattern(size, seconds, ...encoding);
    const output = file(`${format}-out.mkv`);
    const options = { codec: "ffv1", framesPerSecond: "source", edit: greyPatch } as const;
    const frames = await copyVideo(input, output, options);
    const formatOf = (path: string): Promise<string> => probePictures(path, "stream=pix_fmt");
    const kept = (await formatOf(output)) === (await formatOf(input));
    const changed = changedOutside(input, output, format, size);
    const passed = kept && changed === 0;
    await record({
      row: 21,
      input: `${name}, ${size}`,
      what: "a patch over a quarter, written as ffv1: bytes that differ outside it",
      figures: { frames, changed, formatKept: kept },
      passed,
    });
    expect(passed).toBe(true);
  });

  it.each(["hevc", "av1", "prores"] as const)("HDR tags, with %s", async (codec: VideoCodec) => {
    const display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)";
    const input = await makePattern(
      "640x360",
      SECONDS,
      ...["-pix_fmt", "yuv420p10le"],
      ...["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"],
      ...["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"],
      `log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display=${display}:max-cll=1000,400`,
      file("hdr.mp4"),
    );
    const output = file(codec === "prores" ? "hdr-out.mov" : "hdr-out.mp4");
    const preset = { hevc: "ultrafast", av1: "12" }[codec as "hevc" | "av1"];
    const options = { codec, framesPerSecond: "source", ...(preset && { preset }) } as const;
    await copyVideo(input, output, options);
    const tags = ["color_space", "color_transfer", "color_primaries"].join(",");
    const light = `stream=${tags}:stream_side_data=max_luminance,max_content,max_average`;
    const said = await probePictures(output, light);
    const expected = ["bt2020nc", "smpte2084", "bt2020", "1000", "400"];
    const quality = await lumaPsnrDb(input, output);
    const found = expected.filter((word) => said.includes(word)).length;
    const passed = found === expected.length && quality > 40;
    await record({
      row: 21,
      input: "HDR10: PQ, BT.2020, mastering display and content light",
      what: `copied to ${codec}: tags kept, luma of the worst frame`,
      figures: { kept: found, of: expected.length, psnrDb: decibels(quality) },
      passed,
    });
    expect(passed).toBe(true);
  });

  it.each([
    ["ProRes 4444", "prores_ks", "yuva444p10le", "in.mov", "prores", "out.mov"],
    ["VP9", "libvpx-vp9", "yuva420p", "in.webm", "vp9", "out.webm"],
  ] as const)("transparency of %s", async (name, encoder, format, from, codec, to) => {
    const input = await makePattern(
      "320x180",
      SECONDS,
      "-vf",
      `format=yuva444p,geq=lum=lum(X\\,Y):cb=cb(X\\,Y):cr=cr(X\\,Y):a=mod(X*2\\,256)`,
      ...["-pix_fmt", format, "-c:v", encoder, file(from)],
    );
    const output = file(`alpha-${to}`);
    await copyVideo(input, output, { codec, framesPerSecond: "source", edit: greyPatch });
    const decoder = codec === "vp9" ? ["-c:v", "libvpx-vp9"] : [];
    const alpha = "alphaextract,format=gray";
    const [before, after] = [
      rawVideo(input, alpha, ...decoder),
      rawVideo(output, alpha, ...decoder),
    ];
    const quality = psnr(before, after);
    const passed = before.length === after.length && quality > 38;
    await record({
      row: 21,
      input: `${name} with a ramp of transparency`,
      what: `a patch over a quarter, written as ${codec}: alpha's PSNR`,
      figures: { psnrDb: decibels(quality) },
      passed,
    });
    expect(passed).toBe(true);
  });

  it("interlaced", async () => {
    const fields = "testsrc2=s=640x480:r=50:d=0.8";
    const whole = await make(
      ...["-f", "lavfi", "-i", fields, "-vf", "framestep=2"],
      ...["-c:v", "ffv1", file("progressive.mkv")],
    );
    const input = await make(
      ...["-f", "lavfi", "-i", fields, "-vf", "interlace=scan=tff:lowpass=0"],
      ...["-c:v", "libx264", "-qp", "4", "-flags", "+ilme+ildct", file("interlaced.mp4")],
    );
    const combed = await make(
      ...["-i", input, "-vf", "setfield=prog", "-c:v", "ffv1", file("combed.mkv")],
    );
    const [truth, woven, ours] = [
      await images(whole, 20),
      await images(combed, 20),
      await images(input, 20),
    ];
    const mean = (of: readonly RgbImage[]): number =>
      of.reduce((sum, { data }, index) => sum + psnr(data, truth[index]?.data ?? []), 0) /
      of.length;
    const figures = {
      frames: ours.length,
      psnrDb: Number(mean(ours).toFixed(2)),
      psnrWovenDb: Number(mean(woven).toFixed(2)),
    };
    const passed = ours.length === truth.length && figures.psnrDb > figures.psnrWovenDb + 2;
    await record({
      row: 21,
      input: "50 fields a second",
      what: "read as 25 frames: likeness to the progressive original, against woven fields",
      figures,
      passed,
    });
    expect(passed).toBe(true);
  });

  it("turned, and with pixels that are not square", async () => {
    const encoding = ["-c:v", "libx264", "-qp", "4"];
    const plain = await makePattern("320x180", SECONDS, ...encoding, file("plain.mp4"));
    const turned = await make(
      ...["-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90", file("turned.mp4")],
    );
    const stretched = ["-vf", "setsar=64/45", ...encoding, file("wide.mp4")];
    const wide = await makePattern("720x576", SECONDS, ...stretched);
    const output = file("wide-out.mp4");
    await copyVideo(wide, output, { framesPerSecond: "source" });
    const size = async (path: string): Promise<string> => {
      await using reader = await createFfmpegVideoSource().open(path);
      return `${reader.info.width}x${reader.info.height}`;
    };
    const shape = await probePictures(output, "stream=width,height,sample_aspect_ratio");
    const figures = { turned: await size(turned), wide: await size(wide), written: shape };
    const passed =
      figures.turned === "180x320" && figures.wide === "1024x576" && shape === "720,576,64:45";
    await record({
      row: 21,
      input: "320x180 turned by 90 degrees; 720x576 of 64:45",
      what: "the size that the model's side sees; the size and shape that is written",
      figures,
      passed,
    });
    expect(passed).toBe(true);
  });
});
