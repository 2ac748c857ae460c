import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { pastePatch, type VideoSink } from "@ls/core";
import { writePng } from "@ls/video";

/** A sink that also writes every frame as `NNNN.png` into a folder, as it goes to the encoder. */
export function framesOutSink(sink: VideoSink, folder: string): VideoSink {
  return {
    async create(options) {
      await mkdir(folder, { recursive: true });
      const writer = await sink.create(options);
      let index = 0;
      return {
        async write(frame, patches = [], timeSeconds) {
          const image = await frame.toRgb();
          for (const patch of patches) pastePatch(image, patch);
          const path = join(folder, `${String(index).padStart(4, "0")}.png`);
          index += 1;
          await Promise.all([writePng(path, image), writer.write(frame, patches, timeSeconds)]);
        },
        finish: () => writer.finish(),
        [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
      };
    },
  };
}
