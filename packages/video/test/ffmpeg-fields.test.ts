/** Interlaced video: its fields become whole frames. */
import { FF_ENCODER_FFV1 } from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { expectNear, readAll, type TestVideo, useFolder, writeVideo } from "./ffmpeg-fixtures.ts";
import { nativeFrames, type PlaneSamples } from "./native-samples.ts";

const file = useFolder();
const source = createFfmpegVideoSource({ framesPerSecond: "source" });

function video(
  name: string,
  settings: Omit<TestVideo, "encoder" | "format" | "path">,
): Promise<string> {
  return writeVideo({ encoder: FF_ENCODER_FFV1, format: "yuv420p", ...settings, path: file(name) });
}

describe("fields", () => {
  const W = 64;
  const H = 48;
  /** A bar that moves by 2 pixels from field to field. */
  const fields = (component: number, x: number, y: number, index: number): number => {
    const left = 4 + 4 * index + (y % 2) * 2;
    return component === 0 ? (x >= left && x < left + 16 ? 200 : 40) : 128;
  };

  /** How much more neighbouring lines differ than lines of one field. */
  function combing({ data, columns }: PlaneSamples): number {
    let sum = 0;
    for (let at = columns; at < data.length - 2 * columns; at++) {
      const near = Math.abs((data[at] ?? 0) - (data[at + columns] ?? 0));
      const same = Math.abs((data[at] ?? 0) - (data[at + 2 * columns] ?? 0));
      sum += Math.max(0, near - same);
    }
    return sum / data.length;
  }

  const luma = async (path: string): Promise<PlaneSamples[]> =>
    (await nativeFrames(path)).map(({ planes }) => planes[0] as PlaneSamples);

  it("become whole frames, each at its time; others stay bit for bit", async () => {
    const common = { width: W, height: H, frameCount: 12, pattern: fields };
    const plain = await video("plain.mkv", common);
    const flagged = await video("flagged.mkv", { ...common, interlaced: () => true });
    const mixed = await video("mixed.mkv", { ...common, interlaced: (index) => index % 6 > 3 });
    const [before, after, some] = [await luma(plain), await luma(flagged), await luma(mixed)];
    expect([before.length, after.length, some.length]).toEqual([12, 12, 12]);
    for (const [index, frame] of before.entries()) {
      expect(combing(after[index] as PlaneSamples)).toBeLessThan(combing(frame) / 3);
      const expected = index % 6 > 3 ? after[index] : frame;
      expect(some[index]?.data.equals(expected?.data ?? Buffer.alloc(0))).toBe(true);
    }
    await using reader = await source.open(flagged);
    const times: number[] = [];
    for await (const frame of reader.frames()) {
      using owned = frame;
      times.push(owned.timeSeconds);
    }
    expectNear(
      times,
      Array.from({ length: 12 }, (_, index) => index / 25),
      1e-6,
    );
    expect(reader.info.description).toContain("deinterlaced");
  });

  it("are the same after a jump, and in a part of the video", async () => {
    const path = await video("long.mkv", {
      width: W,
      height: H,
      frameCount: 80,
      pattern: (component, x, y, index) => fields(component, x, y, index % 10),
      interlaced: () => true,
    });
    await using reader = await source.open(path);
    const all = await readAll(reader);
    expect(all).toHaveLength(80);
    for (const start of [75, 60, 11, 10, 9, 1, 0]) {
      const end = Math.min(start + 3, 80);
      expect(await readAll(reader, { start, end })).toEqual(all.slice(start, end));
    }
    await using part = await source.open(path, { startSeconds: 50 / 25, endSeconds: 53 / 25 });
    expect(await readAll(part)).toEqual(all.slice(50, 53));
  });
});
