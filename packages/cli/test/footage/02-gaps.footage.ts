import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import { createVoice, synthesizeSpeech } from "@ls/synthetic";
import { hasReference, referenceTitle } from "@ls/testing";
import { createFfmpegVideoSink, createFfmpegVideoSource, writeVideo } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../run.ts";
import { openComposite, type Placed, SIDE } from "./composite.ts";
import { record } from "./figures.ts";
import { followFaces, wrongFrames } from "./followed.ts";

const FRAMES = 60;
/** A gap as short as the detector's misses, and a long one. */
const GAPS = [
  { start: 12, end: 16 },
  { start: 30, end: 48 },
] as const;
const isBlack = (index: number): boolean =>
  GAPS.some(({ start, end }) => index >= start && index < end);
const at = (frame: number): readonly Placed[] | number =>
  isBlack(frame) ? 0 : [{ demo: 1, frame, x: 0, y: 0 }];
const options = { width: SIDE, height: SIDE, frameCount: FRAMES, at };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-footage-gaps-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function pictures(path: string): Promise<Uint8Array[]> {
  await using reader = await createFfmpegVideoSource().open(path);
  const images: Uint8Array[] = [];
  for await (const decoded of reader.frames()) {
    using frame = decoded;
    images.push((await frame.toRgb()).data);
  }
  return images;
}

describe.skipIf(!hasReference)(referenceTitle("gaps"), () => {
  it("are no faces where the picture is black", async () => {
    await using reader = await openComposite(options);
    const frames = await followFaces(reader);
    const wrong = wrongFrames(frames, (index) => (isBlack(index) ? [] : [1]));
    await record({
      row: 2,
      input: "a demo video with 4 and 18 black frames",
      what: "the face has one track, which shows in no black frame and in every other",
      figures: { frames: FRAMES, wrongFrames: wrong.length },
      passed: wrong.length === 0,
    });
    expect(wrong).toEqual([]);
  });

  it("pass through a run bit for bit", async () => {
    const [video, audio, output] = ["gaps.mkv", "speech.wav", "out.mkv"].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    const { samples, sampleRateHz } = synthesizeSpeech({
      text: "My father found five yellow balloons.",
      voice: createVoice(4),
      seconds: FRAMES / 25,
    });
    await writeWav(audio, samples, sampleRateHz);
    await using source = await openComposite(options);
    await writeVideo({
      sink: createFfmpegVideoSink({ codec: "ffv1" }),
      ...{ path: video, source, audioPath: audio },
    });
    const { code, stderr } = await run(
      ...["infer", "--video", video, "--audio", audio, "--out", output, "--codec", "ffv1"],
      ...["--model", "latentsync-demo", "--runtime", "cpu", "--inference-steps", "2"],
      ...["--silence", "keep"],
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [before, after] = [await pictures(video), await pictures(output)];
    const same = before.map(
      (image, index) => Buffer.compare(image, after[index] as Uint8Array) === 0,
    );
    const identicalBlack = same.filter((equal, index) => equal && isBlack(index)).length;
    const changedOthers = same.filter((equal, index) => !equal && !isBlack(index)).length;
    const black = before.filter((_, index) => isBlack(index)).length;
    const passed = identicalBlack === black && changedOthers === FRAMES - black;
    await record({
      row: 2,
      input: "a demo video with 4 and 18 black frames, infer to FFV1",
      what: "black frames come out bit for bit, all others with a new mouth",
      figures: { black, identicalBlack, others: FRAMES - black, changedOthers },
      passed,
    });
    expect({ identicalBlack, changedOthers }).toEqual({
      identicalBlack: black,
      changedOthers: FRAMES - black,
    });
  });
});
