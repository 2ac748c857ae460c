import type { VideoFrame, VideoReader, VideoSink } from "@ls/core";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSink } from "../src/ffmpeg/index.ts";
import { createPictureVideo, writeVideo } from "../src/pictures/index.ts";
import { decode, listFolder, useFolder, writeWav } from "./ffmpeg-fixtures.ts";

const SIZE = { width: 64, height: 48 } as const;
const FRAMES = 5;
const file = useFolder();

const greyVideo = (): VideoReader =>
  createPictureVideo({
    ...SIZE,
    frameCount: FRAMES,
    picture: (index) => ({ ...SIZE, data: new Uint8Array(64 * 48 * 3).fill(40 * index) }),
  });

/** A sink that notes what happens to it; `write` may fail. */
function notingSink(notes: string[], write = (): void => undefined): VideoSink {
  return {
    create: ({ path }) => {
      notes.push(`create ${path}`);
      return Promise.resolve({
        async write({ index }: VideoFrame) {
          notes.push(`write ${index}`);
          write();
        },
        async finish() {
          notes.push("finish");
        },
        async [Symbol.asyncDispose]() {
          notes.push("dispose");
        },
      });
    },
  };
}

describe("writeVideo", () => {
  it("writes every frame as it is, with the sound's file beside nothing else", async () => {
    const audioPath = await writeWav(file("sound.wav"), { seconds: 1 });
    const path = file("grey.mkv");
    await using source = greyVideo();
    await writeVideo({ sink: createFfmpegVideoSink({ codec: "ffv1" }), path, source, audioPath });
    const levels = (await decode(path)).map(({ data }) => data[0]);
    expect(levels).toHaveLength(FRAMES);
    for (const [index, level] of levels.entries()) {
      expect(Math.abs(level! - 40 * index)).toBeLessThanOrEqual(2);
    }
    expect(await listFolder(file("."))).toEqual(["grey.mkv", "sound.wav"]);
  });

  it("finishes once, after the last frame, and disposes the writer", async () => {
    const notes: string[] = [];
    await using source = greyVideo();
    await writeVideo({ sink: notingSink(notes), path: "out", source, audioPath: "sound" });
    const writes = Array.from({ length: FRAMES }, (_, index) => `write ${index}`);
    expect(notes).toEqual(["create out", ...writes, "finish", "dispose"]);
  });

  it("disposes the writer unfinished when it fails or is aborted", async () => {
    const failing: string[] = [];
    await using source = greyVideo();
    const fail = (): void => {
      throw new Error("full");
    };
    const base = { path: "out", source, audioPath: "sound" };
    const failed = writeVideo({ ...base, sink: notingSink(failing, fail) });
    await expect(failed).rejects.toThrow("full");
    expect(failing).toEqual(["create out", "write 0", "dispose"]);

    const aborting: string[] = [];
    const stop = new AbortController();
    const abort = (): void => stop.abort(new Error("enough"));
    const aborted = writeVideo({
      ...base,
      sink: notingSink(aborting, abort),
      signal: stop.signal,
    });
    await expect(aborted).rejects.toThrow("enough");
    expect(aborting).toEqual(["create out", "write 0", "dispose"]);
  });
});
