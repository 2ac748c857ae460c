/** What every `Storage` must do, as a vitest suite. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { downloadTo } from "../storage/download.ts";
import { publishFile } from "../storage/publish.ts";
import type { Storage, UploadFile } from "../storage/storage.ts";

/** A storage, and room in it that nobody else uses. */
export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
  /** URL of an object of that name, whatever it is; the same each time. */
  url(name: string): URL;
}

export interface StorageConformanceOptions {
  create(): Promise<StorageUnderTest>;
  /** Names of the first test; default: names with spaces, semicolons, dashes and the like. */
  readonly names?: readonly string[];
  /** Why nothing runs here, for example a server that is not installed. */
  readonly skip?: string | undefined;
}

const NAMES = [
  "video.mp4",
  "with space.mp4",
  "-rf",
  "a;b&c|d`e$(f).mp4",
  "ümläut 日本.mp4",
  "100%.mp4",
  "question?hash#.mp4",
  "quote'\".mp4",
];
const BIG_BYTES = 18 * 1024 * 1024;

interface Suite {
  readonly storage: Storage;
  readonly url: (name: string) => URL;
  readonly names: readonly string[];
  /** A local file of such bytes. */
  readonly file: (bytes: Uint8Array) => Promise<UploadFile>;
  readonly folder: string;
}

/** Checks a storage against the contract of the seam. */
export function storageConformance(name: string, options: StorageConformanceOptions): void {
  const title = `${name} conforms to the storage seam`;
  if (options.skip !== undefined) {
    it.skip(`${title} (${options.skip})`, () => {});
    return;
  }
  describe(title, () => {
    let suite: Suite | undefined;
    let subject: StorageUnderTest | undefined;
    let folder = "";
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "storage-conformance-"));
      const created = await options.create();
      subject = created;
      const { storage } = created;
      const url = (object: string): URL => created.url(object);
      suite = { storage, url, names: options.names ?? NAMES, folder, file: fileMaker(folder) };
    });
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });
    const current = (): Suite => {
      if (!suite) throw new Error("The storage is missing.");
      return suite;
    };
    keepsBytes(current);
    resumes(current);
    refuses(current);
    stops(current);
    transfers(current);
  });
}

function fileMaker(folder: string): Suite["file"] {
  let count = 0;
  return async (bytes) => {
    count += 1;
    const path = join(folder, `source-${count}`);
    await writeFile(path, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { path, sizeBytes: bytes.length, sha256, contentType: "video/mp4" };
  };
}

/** A prime, so that no part of a transfer begins like another. */
const PERIOD_BYTES = 65_521;

function pattern(length: number, seed: number): Buffer {
  const period = Buffer.alloc(Math.min(length, PERIOD_BYTES));
  for (let at = 0, state = seed; at < period.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    period[at] = state >>> 24;
  }
  return length === 0 ? period : Buffer.alloc(length, period);
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body));
}

async function codeOf(work: Promise<unknown>): Promise<LatentSyncErrorCode> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error(`Not a LatentSyncError: ${String(error)}`);
  expect(error.message).not.toContain("\n");
  expect(error.hint).toBeDefined();
  return error.code;
}

function keepsBytes(current: () => Suite): void {
  it("gives back what was stored, under any name", async () => {
    const { storage, url, names, file } = current();
    for (const [index, name] of names.entries()) {
      const bytes = pattern(1000 + index, index + 1);
      storage.check?.(url(name));
      await storage.put(url(name), await file(bytes));
    }
    for (const [index, name] of names.entries()) {
      const object = await storage.open(url(name));
      expect(object.offset).toBe(0);
      expect([1000 + index, undefined]).toContain(object.sizeBytes);
      expect(await readAll(object.body)).toEqual(pattern(1000 + index, index + 1));
    }
  });

  it("keeps an empty object", async () => {
    const { storage, url, names, file } = current();
    await storage.put(url(names[0] ?? ""), await file(new Uint8Array()));
    const object = await storage.open(url(names[0] ?? ""));
    expect(await readAll(object.body)).toHaveLength(0);
  });

  it("replaces an object as a whole", async () => {
    const { storage, url, names, file } = current();
    const place = url(names[0] ?? "");
    for (const length of [5000, 10, 3000]) {
      await storage.put(place, await file(pattern(length, length)));
      expect(await readAll((await storage.open(place)).body)).toEqual(pattern(length, length));
    }
  });

  it("knows whether it holds a file, if it can tell", async () => {
    const { storage, url, names, file } = current();
    if (!storage.holds) return expect("holds" in storage).toBe(false);
    const place = url(names[0] ?? "");
    const mine = await file(pattern(77, 77));
    await storage.put(place, mine);
    expect(await storage.holds(place, mine)).toBe(true);
    expect(await storage.holds(place, await file(pattern(77, 78)))).toBe(false);
    expect(await storage.holds(place, await file(pattern(78, 77)))).toBe(false);
    expect(await storage.holds(url("00000000-0000-4000-8000-00000000dead"), mine)).toBe(false);
  });
}

function resumes(current: () => Suite): void {
  it("reads on from an offset, or says that it cannot", async () => {
    const { storage, url, names, file } = current();
    const bytes = pattern(4000, 4);
    const place = url(names[0] ?? "");
    await storage.put(place, await file(bytes));
    const whole = await storage.open(place);
    await readAll(whole.body);
    const etag = whole.etag === undefined ? {} : { etag: whole.etag };
    const rest = await storage.open(place, { offset: 1500, ...etag });
    expect([0, 1500]).toContain(rest.offset);
    expect([4000, undefined]).toContain(rest.sizeBytes);
    expect(rest.etag).toBe(whole.etag);
    expect(await readAll(rest.body)).toEqual(bytes.subarray(rest.offset));
  });

  it("does not continue one object with another", async () => {
    const { storage, url, names, file } = current();
    const place = url(names[0] ?? "");
    await storage.put(place, await file(pattern(4000, 5)));
    const before = await storage.open(place);
    await readAll(before.body);
    await storage.put(place, await file(pattern(4000, 6)));
    const { etag } = before;
    if (etag === undefined) return expect(etag).toBeUndefined();
    expect(await codeOf(storage.open(place, { offset: 1500, etag }))).toBe("conflict");
    expect(await codeOf(storage.open(place, { etag }))).toBe("conflict");
  });
}

function refuses(current: () => Suite): void {
  it("says not_found of what is not there", async () => {
    const { storage, url } = current();
    const nothing = url("00000000-0000-4000-8000-00000000dead");
    expect(await codeOf(storage.open(nothing))).toBe("not_found");
  });
}

function stops(current: () => Suite): void {
  it("stops with the signal's reason, and leaves what was there", async () => {
    const { storage, url, names, file } = current();
    const place = url(names[0] ?? "");
    const bytes = pattern(300, 9);
    await storage.put(place, await file(bytes));
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(storage.put(place, await file(pattern(10, 1)), { signal })).rejects.toBe(reason);
    const read = storage.open(place, { signal }).then(({ body }) => readAll(body));
    await expect(read).rejects.toBe(reason);
    expect(await readAll((await storage.open(place)).body)).toEqual(bytes);
  });

  it("stops in the middle of a body", async () => {
    const { storage, url, names, file } = current();
    const place = url(names[0] ?? "");
    await storage.put(place, await file(pattern(4 << 20, 3)));
    const controller = new AbortController();
    const reason = new Error("enough");
    const { body } = await storage.open(place, { signal: controller.signal });
    const read = async (): Promise<void> => {
      for await (const part of body) if (part.length > 0) controller.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
  });
}

function transfers(current: () => Suite): void {
  it("takes and gives large files", async () => {
    const { storage, url, file, folder } = current();
    const place = url("large.mp4");
    const source = await file(pattern(BIG_BYTES, 11));
    const { contentType, sizeBytes, sha256 } = source;
    const stored = await publishFile(storage, place, source.path, { contentType });
    expect(stored).toEqual({ sizeBytes, sha256 });
    const path = join(folder, "large.mp4");
    const back = await downloadTo(storage, place, path, { maxBytes: BIG_BYTES });
    expect(back).toEqual({ sizeBytes, sha256 });
    expect((await readFile(path)).equals(await readFile(source.path))).toBe(true);
  });

  it("is read no further than the limit", async () => {
    const { storage, url, names, file, folder } = current();
    const place = url(names[0] ?? "");
    await storage.put(place, await file(pattern(5000, 12)));
    const path = join(folder, "limited.mp4");
    expect(await codeOf(downloadTo(storage, place, path, { maxBytes: 4999 }))).toBe("too_large");
    expect((await readdir(folder)).filter((name) => name.startsWith("limited"))).toEqual([]);
  });
}
