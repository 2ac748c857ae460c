/** Pictures and sound stay together at every rate, also late in a long clip. */
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import {
  beepTimes,
  copyVideo,
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
  /** Brought to this rate instead of the source's: a flash may then be two frames of it late. */
  readonly constant?: number;
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
  { name: "29.97 brought to 25", rate: [30_000, 1001], period: 30, seconds: MINUTE, constant: 25 },
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

describe.skipIf(missingFfmpeg !== undefined)(`rates (${missingFfmpeg ?? "generated"})`, () => {
  it.each(CLIPS)("$name", async (clip) => {
    const { path, audioPath } = await makeClip(clip);
    const { codec = "h264", extension = ".mp4", constant, lateSeconds = 0 } = clip;
    const output = file(`${clip.name.replaceAll(" ", "-")}-out${extension}`);
    const frames = await copyVideo(path, output, {
      audioPath,
      codec,
      preset: codec === "vp9" ? "realtime" : "ultrafast",
      framesPerSecond: constant ?? "source",
    });
    const [flashes, beeps] = [await flashTimes(output), await beepTimes(output)];
    const offsets = beeps.map((heard) => {
      const beep = heard - lateSeconds;
      const nearest = flashes.reduce((best, time) =>
        Math.abs(time - beep) < Math.abs(best - beep) ? time : best,
      );
      return nearest - beep;
    });
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const worst = Math.max(...offsets.map(Math.abs));
    const drift = mean(offsets.slice(-5)) - mean(offsets.slice(0, 5));
    // FFmpeg's rule drops a frame only when the pictures are more than two late.
    const allowed = MAX_OFFSET_SECONDS + (constant === undefined ? 0 : 2 / constant);
    const passed = beeps.length > 5 && worst < allowed && Math.abs(drift) < 0.005;
    await record({
      row: 20,
      input: `flash and beep, ${clip.name}, ${clip.seconds} s`,
      what: `copied at ${constant ?? "the source's rate"}: offset of picture and sound`,
      figures: {
        frames,
        beeps: beeps.length,
        worstMs: Number((worst * 1000).toFixed(2)),
        meanMs: Number((mean(offsets) * 1000).toFixed(2)),
        driftMs: Number((drift * 1000).toFixed(2)),
      },
      passed,
    });
    expect(passed).toBe(true);
  });
});
