import { createHash } from "node:crypto";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createUploadStorage } from "../../src/storage/upload-storage.ts";
import { failure } from "./failure.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function* parts(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

const base = { owner: "ann", contentType: "video/mp4", maxSizeBytes: 1000 };

async function readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body)).toString();
}

describe("uploads", () => {
  it("are found by their owner, in ranges, and are inputs by their id", async () => {
    await using folder = await temporaryFolder();
    const uploads = createUploadStorage({ folder: folder.path });
    const stored = await uploads.store({ ...base, body: parts("hello ", "world") });
    const sha256 = createHash("sha256").update("hello world").digest("hex");
    expect(stored).toEqual({ id: stored.id, sizeBytes: 11, sha256 });
    const found = await uploads.find(stored.id, { owner: "ann" });
    expect(found).toMatchObject({ sizeBytes: 11, contentType: "video/mp4", sha256 });
    expect(await readAll(found!.read({ start: 0, end: 10 }))).toBe("hello world");
    expect(await readAll(found!.read({ start: 6, end: 8 }))).toBe("wor");
    expect(await uploads.find(stored.id, {})).toBeDefined();
    expect(await uploads.find(stored.id, { owner: "bob" })).toBeUndefined();
    const object = await uploads.open(new URL(`upload:${stored.id}`));
    expect(await readAll(object.body)).toBe("hello world");
  });

  it("leave the disk to others, results do not", async () => {
    await using folder = await temporaryFolder();
    await using source = await temporaryFolder();
    const uploads = createUploadStorage({
      folder: folder.path,
      minFreeBytes: Number.MAX_SAFE_INTEGER,
    });
    const error = await failure(uploads.store({ ...base, body: parts("hello") }));
    expect(error.code).toBe("disk_full");
    expect(await readdir(folder.path)).toEqual([]);
    const path = join(source.path, "result.mp4");
    await writeFile(path, "result");
    const url = new URL("upload:00000000-0000-4000-8000-000000000000");
    const file = { path, sizeBytes: 6, sha256: "0".repeat(64), contentType: "video/mp4" };
    await uploads.put(url, file);
    expect(await uploads.holds?.(url, file)).toBe(true);
  });

  it("results have the job's id, and whoever may see the job", async () => {
    await using folder = await temporaryFolder();
    await using source = await temporaryFolder();
    const uploads = createUploadStorage({ folder: folder.path });
    const path = join(source.path, "result.mp4");
    await writeFile(path, "result");
    const id = "01234567-89ab-4def-8123-456789abcdef";
    const sha256 = createHash("sha256").update("result").digest("hex");
    const file = { path, sizeBytes: 6, sha256, contentType: "video/mp4" };
    await uploads.put(new URL(`upload:${id}`), file);
    await uploads.put(new URL(`upload:${id}`), file);
    const found = await uploads.find(id, {});
    expect(await readAll(found!.read({ start: 0, end: 5 }))).toBe("result");
    expect(await uploads.find(id, { owner: "ann" })).toBeUndefined();
    expect(await readdir(folder.path)).toHaveLength(2);
  });

  it("that are too large, break off or are aborted leave nothing", async () => {
    await using folder = await temporaryFolder();
    const uploads = createUploadStorage({ folder: folder.path });
    const large = uploads.store({ ...base, maxSizeBytes: 9, body: parts("hello ", "world") });
    expect((await failure(large)).code).toBe("too_large");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* parts("hello");
      throw new Error("gone");
    }
    await expect(uploads.store({ ...base, body: broken() })).rejects.toThrow("gone");
    const controller = new AbortController();
    async function* aborting(): AsyncGenerator<Uint8Array> {
      yield* parts("hello");
      controller.abort(new Error("enough"));
      yield* parts("world");
    }
    const { signal } = controller;
    await expect(uploads.store({ ...base, body: aborting(), signal })).rejects.toThrow("enough");
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("end when the server's storage is full", async () => {
    await using folder = await temporaryFolder();
    const uploads = createUploadStorage({ folder: folder.path, maxTotalBytes: 400 });
    const body = (): AsyncIterable<Uint8Array> => parts("x".repeat(150));
    await uploads.store({ ...base, body: body() });
    expect((await failure(uploads.store({ ...base, body: body() }))).code).toBe("exhausted");
    expect(await readdir(folder.path)).toHaveLength(2);
  });

  it.each(["../secret", "..", "", "x", "0123", "01234567-89AB-4DEF-8123-456789ABCDEF", "a/b"])(
    "%j is no id",
    async (id) => {
      await using folder = await temporaryFolder();
      const uploads = createUploadStorage({ folder: join(folder.path, "uploads") });
      await writeFile(join(folder.path, "secret.json"), "{}");
      expect(await uploads.find(id, {})).toBeUndefined();
      expect((await failure(uploads.open(new URL(`upload:${id}`)))).code).toBe("invalid_argument");
      await uploads.remove(id);
      expect(await readdir(folder.path)).toEqual(["secret.json"]);
    },
  );

  it("are swept when they are old, with what crashes left", async () => {
    await using folder = await temporaryFolder();
    const uploads = createUploadStorage({ folder: folder.path, retentionMs: 24 * 3_600_000 });
    const old = await uploads.store({ ...base, body: parts("old") });
    const young = await uploads.store({ ...base, body: parts("young") });
    const yesterday = new Date(Date.now() - 25 * 3_600_000);
    await writeFile(join(folder.path, `${young.id}.left.bin`), "left by a crash");
    await utimes(join(folder.path, `${young.id}.left.bin`), yesterday, yesterday);
    await writeFile(join(folder.path, `${young.id}.running.bin`), "still being written");
    await utimes(join(folder.path, `${old.id}.json`), yesterday, yesterday);
    expect(await uploads.sweep()).toBe(1);
    expect(await uploads.find(old.id, {})).toBeUndefined();
    expect(await uploads.find(young.id, {})).toBeDefined();
    const left = await readdir(folder.path);
    expect(left).toHaveLength(3);
    expect(left).toContain(`${young.id}.running.bin`);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(uploads.sweep({ signal })).rejects.toThrow("enough");
  });
});
