/** Still images and animations as videos. */
import { writeFile } from "node:fs/promises";
import type { RgbImage } from "@ls/core";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource, probeVideo } from "../src/ffmpeg/index.ts";
import { expectNear, pixel, readAll, useFolder } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const source = createFfmpegVideoSource({ framesPerSecond: "source" });

describe("still images", () => {
  const WIDTH = 60;
  const HEIGHT = 40;

  /** Dark at the left, light at the right; red at the top. */
  function drawing(): Sharp {
    const data = Buffer.alloc(WIDTH * HEIGHT * 3);
    for (let at = 0; at < WIDTH * HEIGHT; at++) {
      data[at * 3] = at < (WIDTH * HEIGHT) / 2 ? 220 : 60;
      data[at * 3 + 1] = 4 * (at % WIDTH);
      data[at * 3 + 2] = 100;
    }
    return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  }

  it.each([
    ["still.png", (image: Sharp) => image.png()],
    ["still.jpg", (image: Sharp) => image.jpeg({ quality: 100 })],
    ["still.webp", (image: Sharp) => image.webp({ quality: 100 })],
  ])("%s is a video of one frame, upright as EXIF says", async (name, encode) => {
    for (const orientation of [1, 6, 3, 8] as const) {
      const path = file(`${orientation}-${name}`);
      const bytes = await encode(drawing()).withMetadata({ orientation }).toBuffer();
      await writeFile(path, bytes);
      const { data, info } = await sharp(bytes)
        .autoOrient()
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect((await probeVideo(path)).video).toMatchObject({
        width: info.width,
        height: info.height,
      });
      for (const framesPerSecond of [25, "source"] as const) {
        await using reader = await source.open(path, { framesPerSecond });
        expect(reader.info).toMatchObject({ framesPerSecond: 25, estimatedFrameCount: 1 });
        const [image, ...others] = await readAll(reader);
        expect(others).toEqual([]);
        expect([image?.width, image?.height]).toEqual([info.width, info.height]);
        for (const [x, y] of [
          [8, 8],
          [30, 30],
        ] as const) {
          const expected = [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
          expectNear(pixel(image as RgbImage, x, y), expected, 8);
        }
      }
    }
  });

  it("an animation has its frames and times", async () => {
    const pages = await Promise.all(
      [0, 1, 2].map((index) =>
        sharp({
          create: { width: 32, height: 32, channels: 3, background: { r: 80 * index, g: 0, b: 0 } },
        })
          .png()
          .toBuffer(),
      ),
    );
    const gif = await sharp(pages, { join: { animated: true } })
      .gif({ delay: [100, 300, 200] })
      .toBuffer();
    await writeFile(file("three.gif"), gif);
    await using reader = await source.open(file("three.gif"));
    const times: number[] = [];
    const reds: number[] = [];
    for await (const frame of reader.frames()) {
      using owned = frame;
      times.push(owned.timeSeconds);
      reds.push(pixel(await owned.toRgb(), 5, 5)[0] ?? 0);
    }
    expectNear(times, [0, 0.1, 0.4], 0.001);
    expectNear(reds, [0, 80, 160], 4);
  });
});
