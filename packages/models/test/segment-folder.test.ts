import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SegmentStore } from "@ls/core";
import { segmentStoreConformance } from "@ls/testing/conformance";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSegmentFolder, type SegmentFingerprint } from "../src/cache/segment-folder.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const FINGERPRINT: SegmentFingerprint = { model: "abc", seed: 1247, steps: 20, deepCache: false };
const LATENTS = Float32Array.from({ length: 64 }, (_, index) => index / 3);
const FILE = "segment-000007.latents";

segmentStoreConformance("createSegmentFolder", {
  create: async () => {
    const parent = await mkdtemp(join(tmpdir(), "ls-segments-"));
    return {
      open: async () =>
        createSegmentFolder({ folder: join(parent, "not/yet"), fingerprint: FINGERPRINT }),
      [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }),
    };
  },
});

describe("a folder of segments", () => {
  const path = useTemporaryFolder();
  let count = 0;
  afterEach(() => vi.restoreAllMocks());

  function openStore(folder: string, fingerprint = FINGERPRINT): SegmentStore {
    return createSegmentFolder({ folder, fingerprint });
  }

  async function withOne(): Promise<{ folder: string; store: SegmentStore; file: string }> {
    const folder = path(`case-${count++}`);
    const store = openStore(folder);
    await store.write(7, LATENTS);
    expect(await readdir(folder)).toEqual([FILE]);
    return { folder, store, file: join(folder, FILE) };
  }

  it.each([
    ["another value", { ...FINGERPRINT, seed: 1248 }],
    ["another type", { ...FINGERPRINT, seed: "1247" }],
    ["another name", { model: "abc", seeds: 1247, steps: 20, deepCache: false }],
    ["one field more", { ...FINGERPRINT, faceAt: "0.5,0.5" }],
    ["one field less", { model: "abc", seed: 1247, steps: 20 }],
  ])("has nothing for a fingerprint with %s", async (_, fingerprint) => {
    const { folder, store } = await withOne();
    const other = openStore(folder, fingerprint);
    expect(await other.read(7)).toBeUndefined();
    await other.write(7, LATENTS);
    expect(await other.read(7)).toEqual(LATENTS);
    expect(await store.read(7)).toBeUndefined();
  });

  it("does not mind the order of the fingerprint's fields", async () => {
    const { folder } = await withOne();
    const reordered = Object.fromEntries(Object.entries(FINGERPRINT).toReversed());
    expect(await openStore(folder, reordered).read(7)).toEqual(LATENTS);
  });

  it("takes a file that was cut anywhere for absent, and replaces it", async () => {
    const { store, file } = await withOne();
    const whole = await readFile(file);
    for (const length of [0, 1, 31, 32, 33, 36, whole.length / 2, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      expect(await store.read(7)).toBeUndefined();
    }
    await store.write(7, LATENTS);
    expect(await store.read(7)).toEqual(LATENTS);
  });

  it("takes a file with one wrong bit, or bytes behind its end, for absent", async () => {
    const { store, file } = await withOne();
    const whole = await readFile(file);
    for (const at of [0, 31, 32, 100, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      await writeFile(file, damaged);
      expect(await store.read(7)).toBeUndefined();
    }
    await writeFile(file, Buffer.concat([whole, Buffer.alloc(4)]));
    expect(await store.read(7)).toBeUndefined();
  });

  it("takes the file of another chunk for absent", async () => {
    const { folder, store, file } = await withOne();
    await rename(file, join(folder, "segment-000008.latents"));
    expect(await store.read(8)).toBeUndefined();
  });

  it("says that the disk is full, and keeps what was there", async () => {
    const { folder, store, file } = await withOne();
    await using handle = await open(file, "r");
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
      code: "ENOSPC",
      syscall: "write",
    });
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    vi.spyOn(prototype, "write").mockRejectedValue(full);
    const error = await rejection(
      store.write(
        7,
        LATENTS.map((value) => -value),
      ),
    );
    expect(error).toMatchObject({ code: "disk_full", hint: expect.any(String) as unknown });
    expect(await readdir(folder)).toEqual([FILE]);
    expect(await store.read(7)).toEqual(LATENTS);
  });

  it("says what cannot be read", async () => {
    const folder = path("unreadable");
    await mkdir(join(folder, FILE), { recursive: true });
    const error = await rejection(openStore(folder).read(7));
    expect(error).toMatchObject({
      code: "io",
      message: expect.stringContaining(FILE) as unknown,
    });
  });
});
