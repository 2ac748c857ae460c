import { createHash, type Hash } from "node:crypto";
import { pastePatch, type VideoSink } from "@ls/core";

/** A sink, and the hash of what went into it. */
export interface HashingSink {
  readonly sink: VideoSink;
  /** SHA-256 over size and RGB of every frame so far, hex. */
  digest(): string;
}

/** Passes frames on and hashes them as they reach the encoder, which need not be lossless or exact. */
export function hashingSink(sink: VideoSink): HashingSink {
  const hash: Hash = createHash("sha256");
  return {
    sink: {
      async create(options) {
        const writer = await sink.create(options);
        return {
          async write(frame, patches = [], timeSeconds) {
            const image = await frame.toRgb();
            for (const patch of patches) pastePatch(image, patch);
            hash.update(`${image.width}x${image.height};`).update(image.data);
            await writer.write(frame, patches, timeSeconds);
          },
          finish: () => writer.finish(),
          [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
        };
      },
    },
    digest: () => hash.copy().digest("hex"),
  };
}
