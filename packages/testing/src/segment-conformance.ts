/** What every `SegmentStore` must do, as a vitest suite. */
import type { SegmentStore } from "@ls/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** Where the segments of one request lie. */
export interface SegmentPlace extends AsyncDisposable {
  /** A store over this place, as a process that starts anew opens it. */
  open(): Promise<SegmentStore>;
}

export interface SegmentStoreConformanceOptions {
  /** Makes a place without segments; called for every test. */
  create(): Promise<SegmentPlace>;
}

/** Numbers that are lost where they are not kept bit for bit. */
const LATENTS = Float32Array.of(1.25, -0, 1e-45, -3.4028235e38, Number.NaN, Infinity, 0.1, 7);

/** Checks a store against the contract of `SegmentStore`. */
export function segmentStoreConformance(
  name: string,
  options: SegmentStoreConformanceOptions,
): void {
  describe(`${name} conforms to SegmentStore`, () => {
    let place: SegmentPlace;
    beforeEach(async () => {
      place = await options.create();
    });
    afterEach(() => place[Symbol.asyncDispose]());

    it("has nothing of a chunk that was not written", async () => {
      const store = await place.open();
      await store.write(1, LATENTS);
      expect(await store.read(0)).toBeUndefined();
      expect(await store.read(2)).toBeUndefined();
    });

    it("gives back every bit, also to a process that opens the place later", async () => {
      const store = await place.open();
      await store.write(0, LATENTS);
      expect(bits(await store.read(0))).toEqual(bits(LATENTS));
      expect(bits(await (await place.open()).read(0))).toEqual(bits(LATENTS));
    });

    it("keeps chunks apart, whatever their order and size", async () => {
      const store = await place.open();
      const chunks = [1000, 3, 0].map((chunk) => ({
        chunk,
        latents: Float32Array.from({ length: chunk + 4 }, (_, index) => index / 7 - chunk),
      }));
      await Promise.all(chunks.map(({ chunk, latents }) => store.write(chunk, latents)));
      for (const { chunk, latents } of chunks) expect(await store.read(chunk)).toEqual(latents);
    });

    it("keeps what was written last", async () => {
      const store = await place.open();
      await store.write(0, LATENTS);
      await store.write(0, Float32Array.of(5, 6));
      expect(await store.read(0)).toEqual(Float32Array.of(5, 6));
    });

    it("shares no memory with its caller", async () => {
      const store = await place.open();
      const own = Float32Array.of(1, 2, 3);
      await store.write(0, own);
      own.fill(9);
      (await store.read(0))?.fill(8);
      expect(await store.read(0)).toEqual(Float32Array.of(1, 2, 3));
    });

    it("takes a part of a larger array for what it is", async () => {
      const store = await place.open();
      await store.write(0, Float32Array.of(1, 2, 3, 4).subarray(1, 3));
      expect(await store.read(0)).toEqual(Float32Array.of(2, 3));
    });

    it("rejects with the reason of a signal that has fired, and does nothing", async () => {
      const store = await place.open();
      const reason = new Error("no longer wanted");
      const signal = AbortSignal.abort(reason);
      await expect(store.write(0, LATENTS, { signal })).rejects.toBe(reason);
      await expect(store.read(0, { signal })).rejects.toBe(reason);
      expect(await store.read(0)).toBeUndefined();
    });
  });
}

function bits(values: Float32Array | undefined): readonly number[] {
  const copy = Float32Array.from(values ?? []);
  return [...new Uint32Array(copy.buffer)];
}
