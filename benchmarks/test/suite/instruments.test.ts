import { createHash } from "node:crypto";
import type { RgbImage, Session, Tensor, VideoFrame, VideoSink } from "@ls/core";
import { FakeRuntime } from "@ls/testing";
import { createPictureVideo } from "@ls/video";
import { describe, expect, it, vi } from "vitest";
import { hashingSink } from "../../src/suite/frame-hash.ts";
import { timedRuntime } from "../../src/suite/timed-runtime.ts";

const picture: RgbImage = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

describe("the hash of frames", () => {
  it("is of size and pixels as they go to the encoder, patch included", async () => {
    const written: unknown[] = [];
    const finish = vi.fn<() => Promise<void>>().mockResolvedValue();
    const inner: VideoSink = {
      create: () =>
        Promise.resolve({
          async write(frame: VideoFrame, patch) {
            written.push([frame.index, patch]);
          },
          finish,
          [Symbol.asyncDispose]: () => Promise.resolve(),
        }),
    };
    const { sink, ...hashing } = hashingSink(inner);
    await using source = createPictureVideo({
      ...{ width: 2, height: 1, frameCount: 2 },
      picture: () => picture,
    });
    await using writer = await sink.create({ path: "out", source, audioPath: "sound" });
    const patch = { x: 1, y: 0, width: 1, height: 1, data: Uint8Array.of(7, 8, 9) };
    for await (const frame of source.frames()) {
      await writer.write(frame, frame.index === 1 ? [patch] : []);
    }
    await writer.finish();
    const hash = createHash("sha256");
    for (const pixels of [
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 7, 8, 9],
    ]) {
      hash.update("2x1;").update(Uint8Array.from(pixels));
    }
    expect(hashing.digest()).toBe(hash.digest("hex"));
    expect(written).toEqual([
      [0, []],
      [1, [patch]],
    ]);
    expect(finish).toHaveBeenCalledOnce();
  });
});

describe("the time of networks", () => {
  it("counts runs at the same time once, and nothing between them", async () => {
    const waiting: (() => void)[] = [];
    const session: Session = {
      inputs: [],
      outputs: [],
      run() {
        const { promise, resolve } = Promise.withResolvers<Record<string, Tensor>>();
        waiting.push(() => resolve({}));
        return promise;
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const inner = new FakeRuntime();
    vi.spyOn(inner, "createSession").mockResolvedValue(session);
    const now = vi.spyOn(performance, "now");
    try {
      const clock = timedRuntime(inner);
      const timed = await clock.runtime.createSession({ bytes: new Uint8Array() });
      now.mockReturnValueOnce(1000).mockReturnValueOnce(4000);
      const runs = [timed.run({}), timed.run({})];
      for (const end of waiting.splice(0)) end();
      await Promise.all(runs);
      now.mockReturnValueOnce(9000).mockReturnValueOnce(9500);
      const last = timed.run({});
      for (const end of waiting.splice(0)) end();
      await last;
      expect(clock.takeSeconds()).toBe(3.5);
      expect(clock.takeSeconds()).toBe(0);
    } finally {
      now.mockRestore();
    }
  });
});
