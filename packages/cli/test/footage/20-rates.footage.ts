/**
 * Pictures and sound stay together at every rate, also late in a long clip; and where another rate is
 * brought to 25, each frame shows the picture that is nearest to it in time.
 */
import { writeWav } from "@ls/audio";
import { createPerson, createVoice, renderTalkingHead, synthesizeSpeech } from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import { describe, expect, it } from "vitest";
import { QUICK_ARGUMENTS } from "../media/short-clip.ts";
import { run } from "../run.ts";
import { readPictures } from "./drawn.ts";
import { record } from "./figures.ts";
import {
  beepTimes,
  copyVideo,
  cornerLevels,
  flashTimes,
  make,
  missingFfmpeg,
  useFolder,
  writeBeeps,
} from "./media.ts";

const file = useFolder();
const MAX_OFFSET_SECONDS = 0.02;

interface Clip {
  readonly name: string;
  readonly rate: readonly [num: number, den: number];
  /** Every so many frames, about once a second, three are white and a beep begins. */
  readonly period: number;
  readonly seconds: number;
  /** Leaves frames out, at random, but not the first white ones. */
  readonly varying?: boolean;
  /** The sound is made this much late, which the measure must see to find them together. */
  readonly lateSeconds?: number;
  readonly extension?: string;
  readonly codec?: "h264" | "vp9";
}

const MINUTE = 60;
const HOUR = 3600;
const CLIPS: readonly Clip[] = [
  { name: "29.97", rate: [30_000, 1001], period: 30, seconds: MINUTE },
  { name: "23.976", rate: [24_000, 1001], period: 24, seconds: MINUTE },
  { name: "50", rate: [50, 1], period: 50, seconds: MINUTE },
  { name: "59.94 in mkv", rate: [60_000, 1001], period: 60, seconds: MINUTE, extension: ".mkv" },
  { name: "varying", rate: [30_000, 1001], period: 30, seconds: MINUTE, varying: true },
  {
    name: "varying in webm",
    rate: [30, 1],
    period: 30,
    seconds: 20,
    varying: true,
    extension: ".webm",
    codec: "vp9",
  },
  { name: "29.97 at no whole milliseconds", rate: [30_000, 1001], period: 37, seconds: MINUTE },
  {
    name: "29.97 in mkv at no whole milliseconds",
    rate: [30_000, 1001],
    period: 37,
    seconds: MINUTE,
    extension: ".mkv",
  },
  {
    name: "29.97 with late sound",
    rate: [30_000, 1001],
    period: 37,
    seconds: 20,
    lateSeconds: 0.033,
  },
  { name: "29.97 of an hour", rate: [30_000, 1001], period: 30, seconds: HOUR },
  { name: "varying of an hour", rate: [24_000, 1001], period: 24, seconds: HOUR, varying: true },
];

async function makeClip(clip: Clip): Promise<{ path: string; audioPath: string }> {
  const { period, seconds, varying = false, lateSeconds = 0 } = clip;
  const [num, den] = clip.rate;
  const id = clip.name.replaceAll(" ", "-");
  const select = `select=not(mod(n\\,${period}))+gt(random(1)\\,0.4)`;
  const flash = `drawbox=c=white:t=fill:enable=lt(mod(n\\,${period})\\,3)`;
  const path = await make(
    ...["-f", "lavfi", "-i", `color=black:s=64x64:r=${num}/${den}:d=${seconds}`],
    ...["-vf", varying ? `${flash},${select}` : flash],
    ...["-fps_mode", varying ? "vfr" : "passthrough"],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-g", "300", file(`${id}.mp4`)],
  );
  const count = Math.floor((seconds * num) / den / period);
  const times = Array.from(
    { length: count },
    (_, index) => (index * period * den) / num + lateSeconds,
  );
  return { path, audioPath: await writeBeeps(file(`${id}.wav`), seconds, times) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function milliseconds(seconds: number): number {
  return Number((seconds * 1000).toFixed(2));
}

describe.skipIf(missingFfmpeg !== undefined)(`rates (${missingFfmpeg ?? "generated"})`, () => {
  it.each(CLIPS)("$name", async (clip) => {
    const { path, audioPath } = await makeClip(clip);
    const { codec = "h264", extension = ".mp4", lateSeconds = 0 } = clip;
    const output = file(`${clip.name.replaceAll(" ", "-")}-out${extension}`);
    const frames = await copyVideo(path, output, {
      audioPath,
      codec,
      preset: codec === "vp9" ? "realtime" : "ultrafast",
      framesPerSecond: "source",
    });
    const [flashes, beeps] = [await flashTimes(output), await beepTimes(output)];
    const offsets = beeps.map((heard) => {
      const beep = heard - lateSeconds;
      const nearest = flashes.reduce((best, time) =>
        Math.abs(time - beep) < Math.abs(best - beep) ? time : best,
      );
      return nearest - beep;
    });
    const worst = Math.max(...offsets.map(Math.abs));
    const drift = mean(offsets.slice(-5)) - mean(offsets.slice(0, 5));
    const passed = beeps.length > 5 && worst < MAX_OFFSET_SECONDS && Math.abs(drift) < 0.005;
    await record({
      row: 20,
      input: `flash and beep, ${clip.name}, ${clip.seconds} s`,
      what: "copied at the source's rate: offset of picture and sound",
      figures: {
        frames,
        beeps: beeps.length,
        worstMs: milliseconds(worst),
        meanMs: milliseconds(mean(offsets)),
        driftMs: milliseconds(drift),
      },
      passed,
    });
    expect(passed).toBe(true);
  });
});

const RATE = 25;
/** Half a millisecond, to which Matroska rounds, and as much again. */
const ROUNDING_SECONDS = 0.001;

interface Brought {
  readonly name: string;
  readonly rate: string;
  readonly varying?: boolean;
  /** As `ffmpeg -r` does it, and `infer --compat`: pictures come up to two frames late. */
  readonly official?: boolean;
}

const BROUGHT: readonly Brought[] = [
  { name: "23.976", rate: "24000/1001" },
  { name: "24", rate: "24" },
  { name: "29.97", rate: "30000/1001" },
  { name: "30", rate: "30" },
  { name: "50", rate: "50" },
  { name: "59.94", rate: "60000/1001" },
  { name: "varying 30", rate: "30", varying: true },
  { name: "29.97", rate: "30000/1001", official: true },
  { name: "50", rate: "50", official: true },
];

/** A minute of pictures whose brightness counts them, from 16 on, over and over. */
async function makeNumbered({ name, rate, varying = false }: Brought): Promise<string> {
  const count = "format=yuv420p,geq=lum=16+4*mod(N\\,50):cb=128:cr=128";
  return await make(
    ...["-f", "lavfi", "-i", `color=black:s=16x16:r=${rate}:d=${MINUTE}`],
    ...["-vf", varying ? `${count},select=not(n)+gt(random(1)\\,0.4)` : count],
    ...["-fps_mode", varying ? "vfr" : "passthrough"],
    ...["-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"],
    file(`numbered-${name.replaceAll(" ", "-")}.mp4`),
  );
}

type Levels = Awaited<ReturnType<typeof cornerLevels>>;

/** How frames show the pictures of their source, in seconds. */
interface Places {
  /** How much later a frame comes than the picture that it shows. */
  readonly offsets: readonly number[];
  /** The same, of the first frame that shows a picture. */
  readonly firstOffsets: readonly number[];
  /** Frames whose picture should have come, or gone, at another one. */
  readonly misplaced: number;
}

function placesOf(source: Levels, frames: Levels): Places {
  const at = (position: number): number => source[position]?.time ?? Number.NaN;
  /** When a picture is nearer than the one before; before its time by half a frame at most. */
  const takesOver = (position: number): number =>
    at(position) - Math.min(at(position) - at(position - 1), 1 / RATE) / 2;
  const positions = frames.map(({ time, level }) => {
    const alike = [...source.keys()].filter((position) => source[position]?.level === level);
    return alike.reduce((best, other) =>
      Math.abs(at(other) - time) < Math.abs(at(best) - time) ? other : best,
    );
  });
  const places = frames.map(({ time }, index) => {
    const position = positions[index] ?? Number.NaN;
    return {
      offset: time - at(position),
      isFirst: position !== positions[index - 1],
      isMisplaced:
        time < takesOver(position) - ROUNDING_SECONDS ||
        time > takesOver(position + 1) + ROUNDING_SECONDS,
    };
  });
  return {
    offsets: places.map(({ offset }) => offset),
    firstOffsets: places.filter(({ isFirst }) => isFirst).map(({ offset }) => offset),
    misplaced: places.filter(({ isMisplaced }) => isMisplaced).length,
  };
}

const broughtTitle = `brought to 25 (${missingFfmpeg ?? "generated"})`;
describe.skipIf(missingFfmpeg !== undefined)(broughtTitle, () => {
  it.each(BROUGHT)("$name, official: $official", async (clip) => {
    const { name, varying = false, official = false } = clip;
    const path = await makeNumbered(clip);
    const beeps = Array.from({ length: MINUTE - 1 }, (_, index) => index + 0.5);
    const audioPath = await writeBeeps(file("numbered.wav"), MINUTE, beeps);
    const output = file("numbered-out.mkv");
    const rateConversion = official ? "ffmpeg" : "nearest";
    await copyVideo(path, output, { audioPath, codec: "ffv1", rateConversion });
    const [source, frames] = [await cornerLevels(path), await cornerLevels(output)];
    const { offsets, firstOffsets, misplaced } = placesOf(source, frames);
    const heard = await beepTimes(output);
    const soundOffsets = heard.map((time, index) => Math.abs(time - (beeps[index] ?? 0)));
    // A picture that is held ages, so that only its first frame tells.
    const telling = varying ? firstOffsets : offsets;
    const figures = {
      sourceFrames: source.length,
      frames: frames.length,
      worstMs: milliseconds(Math.max(...telling.map(Math.abs))),
      meanMs: milliseconds(mean(telling)),
      misplaced,
      soundWorstMs: milliseconds(Math.max(...soundOffsets)),
    };
    const isPlaced = official
      ? figures.worstMs < 100
      : misplaced === 0 && Math.abs(figures.meanMs) < (varying ? 5 : 1);
    const isWhole =
      Math.abs(frames.length - MINUTE * RATE) <= (official ? 2 : 1) &&
      heard.length === beeps.length;
    const passed = isPlaced && isWhole && figures.soundWorstMs < 1;
    await record({
      row: 20,
      input: `numbered pictures, ${name}, ${MINUTE} s`,
      what: official
        ? "brought to 25 as ffmpeg -r does, for --compat: how late pictures come"
        : "brought to 25: each frame shows the picture that is nearest in time",
      figures,
      passed,
    });
    expect(passed).toBe(true);
  });
});

/** A drawn person, whose pictures are counted in a corner; and something to say. */
async function writeCountedPerson(
  folder: (name: string) => string,
): Promise<{ readonly video: string; readonly audio: string }> {
  const [width, height, seconds, framesPerSecond] = [320, 320, 2, 30];
  const [video, audio] = [folder("counted.mkv"), folder("counted.wav")];
  const speech = synthesizeSpeech({ text: "Bring my map, Tom.", voice: createVoice(4), seconds });
  await writeWav(audio, speech.samples, speech.sampleRateHz);
  const person = createPerson(3);
  const head = { person, width, height, articulationAt: (at: number) => speech.articulationAt(at) };
  await using source = createPictureVideo({
    ...{ width, height, framesPerSecond, frameCount: seconds * framesPerSecond },
    picture: async (index) => {
      const image = await renderTalkingHead(head, Math.round((index * RATE) / framesPerSecond));
      image.data.fill(20 + 3 * index, 0, 3);
      return image;
    },
  });
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: video, source, audioPath: audio });
  return { video, audio };
}

it.each([false, true])("infer, --compat: %s", async (compat) => {
  const { video, audio } = await writeCountedPerson(file);
  const output = file(`counted-${compat}.mkv`);
  const { code, stderr } = await run(
    ...["infer", "--video", video, "--audio", audio, "--out", output, "--codec", "ffv1"],
    ...[...QUICK_ARGUMENTS, "--loop", "cut", ...(compat ? ["--compat"] : [])],
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const levelsOf = async (path: string): Promise<Levels> =>
    (await readPictures(path)).map(({ timeSeconds, data }) => ({
      time: timeSeconds,
      level: data[0] ?? Number.NaN,
    }));
  const { offsets, misplaced } = placesOf(await levelsOf(video), await levelsOf(output));
  const passed = compat ? mean(offsets) > 0.03 : misplaced === 0;
  await record({
    row: 20,
    input: "a drawn person at 30 frames a second, 2 s, pictures counted in a corner",
    what: compat
      ? "infer --compat shows the pictures that ffmpeg -r shows"
      : "infer shows the pictures that are nearest in time",
    figures: {
      frames: offsets.length,
      misplaced,
      worstMs: milliseconds(Math.max(...offsets.map(Math.abs))),
      meanMs: milliseconds(mean(offsets)),
    },
    passed,
  });
  expect(passed).toBe(true);
});
