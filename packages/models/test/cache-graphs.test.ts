import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cacheFolder, formatOwner, hashFile, isGone, parseOwner, thisProcess } from "@ls/files";
import { describe, expect, it } from "vitest";
import { GraphCache } from "../src/cache/graph-cache.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const temporary = useTemporaryFolder();
const KEY = "0123456789abcdef";

/** Runs a script of its own process on this Node, which strips types itself. */
function runScript(script: string): Promise<number | null> {
  return new Promise((onExit, reject) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    child.on("error", reject);
    child.on("exit", (code) => onExit(code));
  });
}

const MODULE = JSON.stringify(new URL("../src/cache/graph-cache.ts", import.meta.url).href);

describe("the cache folder", () => {
  const folder = (
    environment: Record<string, string>,
    platform: NodeJS.Platform = "linux",
  ): string => cacheFolder({ environment, platform, home: "/home/me" });

  it("is chosen by the environment, then by the system", () => {
    const xdg = resolve("/xdg");
    const both = { LATENTSYNC_HOME: "/models", XDG_CACHE_HOME: xdg };
    const standard = join("/home/me", ".cache", "latentsync-ts");
    expect(folder(both)).toBe(resolve("/models"));
    expect(folder({ LATENTSYNC_HOME: "", XDG_CACHE_HOME: xdg })).toBe(join(xdg, "latentsync-ts"));
    expect(folder({ XDG_CACHE_HOME: "relative" })).toBe(standard);
    expect(folder({})).toBe(standard);
    expect(folder({}, "darwin")).toBe(join("/home/me", "Library", "Caches", "latentsync-ts"));
    expect(folder({ LOCALAPPDATA: "/local" }, "win32")).toBe(
      join("/local", "latentsync-ts", "Cache"),
    );
  });
});

describe("the graph cache", () => {
  it("builds once, lists and clears", async () => {
    const cache = new GraphCache({ folder: temporary("plain") });
    let builds = 0;
    const build = async (folder: string): Promise<void> => {
      builds++;
      await mkdir(join(folder, "sub"));
      await writeFile(join(folder, "graph.onnx"), "graph");
      await writeFile(join(folder, "sub", "weights"), "weights");
    };
    expect(await cache.find(KEY)).toBeUndefined();
    expect(await cache.list()).toEqual([]);
    const path = await cache.getOrCreate(KEY, build);
    expect(path).toBe(temporary("plain", "graphs", KEY));
    expect(await cache.getOrCreate(KEY, build)).toBe(path);
    expect(builds).toBe(1);
    expect(await cache.find(KEY)).toBe(path);
    expect(await readFile(join(path, "sub", "weights"), "utf8")).toBe("weights");
    expect(await cache.list()).toMatchObject([{ key: KEY, path, bytes: 12 }]);
    expect(await cache.clear()).toBe(12);
    expect(await readdir(temporary("plain", "graphs"))).toEqual([]);
  });

  it("makes callers of one process wait for the build that is under way", async () => {
    const cache = new GraphCache({ folder: temporary("shared") });
    const gate = Promise.withResolvers<void>();
    let builds = 0;
    const build = async (folder: string): Promise<void> => {
      builds++;
      await gate.promise;
      await writeFile(join(folder, "graph"), "x");
    };
    const first = cache.getOrCreate(KEY, build);
    const second = new GraphCache({ folder: temporary("shared") }).getOrCreate(KEY, build);
    const aborting = new AbortController();
    const third = cache.getOrCreate(KEY, build, { signal: aborting.signal });
    const reason = new Error("stop");
    aborting.abort(reason);
    await expect(third).rejects.toBe(reason);
    gate.resolve();
    expect(await second).toBe(await first);
    expect(builds).toBe(1);
  });

  it("lets the next caller build when a build fails, and leaves nothing of the failure", async () => {
    const cache = new GraphCache({ folder: temporary("failing") });
    const failure = new Error("no");
    const failing = cache.getOrCreate(KEY, async (folder) => {
      await writeFile(join(folder, "half"), "x");
      throw failure;
    });
    const next = cache.getOrCreate(KEY, (folder) => writeFile(join(folder, "whole"), "x"));
    await expect(failing).rejects.toBe(failure);
    expect(await readdir(await next)).toEqual(["whole"]);
    expect(await readdir(temporary("failing", "graphs"))).toEqual([KEY]);
  });

  it("gives an aborted build's folder up", async () => {
    const cache = new GraphCache({ folder: temporary("aborted") });
    const aborting = new AbortController();
    const reason = new Error("stop");
    const build = cache.getOrCreate(
      KEY,
      async (folder, signal) => {
        await writeFile(join(folder, "half"), "x");
        aborting.abort(reason);
        signal?.throwIfAborted();
      },
      { signal: aborting.signal },
    );
    await expect(build).rejects.toBe(reason);
    expect(await readdir(temporary("aborted", "graphs"))).toEqual([]);
  });

  it("tells a full disk as such", async () => {
    const cache = new GraphCache({ folder: temporary("full") });
    const error = await rejection(
      cache.getOrCreate(KEY, (folder) =>
        Promise.reject(
          Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write", path: folder }),
        ),
      ),
    );
    expect(error.code).toBe("disk_full");
    expect(await readdir(temporary("full", "graphs"))).toEqual([]);
  });

  it.each(["", "../x", "a/b", ".hidden", "a".repeat(201)])("refuses the key %j", async (key) => {
    const cache = new GraphCache({ folder: temporary("keys") });
    const error = await rejection(cache.getOrCreate(key, () => Promise.resolve()));
    expect(error.code).toBe("invalid_argument");
  });

  it("ends with one whole entry when processes build it at once", async () => {
    const folder = temporary("race");
    const script = `
      import { writeFile } from "node:fs/promises";
      import { GraphCache } from ${MODULE};
      const cache = new GraphCache({ folder: ${JSON.stringify(folder)} });
      await cache.getOrCreate("${KEY}", async (target) => {
        // Long enough for the processes to overlap whatever the order they start in.
        await new Promise((resolve) => setTimeout(resolve, 600));
        for (const name of ["a", "b"]) await writeFile(target + "/" + name, String(process.pid));
      });`;
    expect(await Promise.all([runScript(script), runScript(script), runScript(script)])).toEqual([
      0, 0, 0,
    ]);
    expect(await readdir(join(folder, "graphs"))).toEqual([KEY]);
    const [a, b] = await Promise.all(
      ["a", "b"].map((name) => readFile(join(folder, "graphs", KEY, name), "utf8")),
    );
    expect(a).toMatch(/^\d+$/);
    expect(b).toBe(a);
  });

  it("removes what a killed process has left, and nothing of a living one", async () => {
    const folder = temporary("stale");
    const script = `
      import { writeFile } from "node:fs/promises";
      import { GraphCache } from ${MODULE};
      await new GraphCache({ folder: ${JSON.stringify(folder)} }).getOrCreate("dead", async (target) => {
        await writeFile(target + "/half", "x");
        process.exit(3);
      });`;
    expect(await runScript(script)).toBe(3);
    const [left] = await readdir(join(folder, "graphs"));
    expect(left).toMatch(/^\.building-dead-/);
    const living = `.building-live-${formatOwner(thisProcess())}-00`;
    const foreign = `.building-far-${formatOwner({ ...thisProcess(), host: "elsewhere" })}-00`;
    const abandoned = `.building-old-${formatOwner({ ...thisProcess(), host: "elsewhere" })}-00`;
    for (const name of [living, foreign, abandoned]) await mkdir(join(folder, "graphs", name));
    const longAgo = new Date(Date.now() - 48 * 60 * 60 * 1000);
    await utimes(join(folder, "graphs", abandoned), longAgo, longAgo);
    const cache = new GraphCache({ folder });
    await cache.getOrCreate(KEY, () => Promise.resolve());
    expect((await readdir(join(folder, "graphs"))).sort()).toEqual([living, foreign, KEY].sort());
  });
});

describe("process owners", () => {
  it("are known to be gone or not", () => {
    const self = thisProcess();
    expect(parseOwner(formatOwner(self))).toEqual(self);
    expect(parseOwner("x")).toBeUndefined();
    expect(isGone(self)).toBe(false);
    // A process before a restart of the machine or container had the same number.
    expect(isGone({ ...self, startedSeconds: self.startedSeconds - 1000 })).toBe(true);
    expect(isGone({ ...self, pid: process.ppid })).toBe(false);
    expect(isGone({ ...self, pid: 2 ** 30 })).toBe(true);
    expect(isGone({ ...self, host: "elsewhere", pid: 2 ** 30 })).toBe(false);
  });
});

describe("hashes of files", () => {
  it("are remembered until the file changes", async () => {
    const path = temporary("file");
    const folder = temporary("hashes");
    await writeFile(path, "abc");
    // The test vector of FIPS 180.
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(await hashFile(path, { folder })).toBe(abc);
    expect(await hashFile(path, { folder })).toBe(abc);
    await writeFile(path, "abcd");
    expect(await hashFile(path, { folder })).not.toBe(abc);
    expect((await rejection(hashFile(temporary("none"), { folder }))).code).toBe("not_found");
  });

  it("survive a damaged or unwritable memory", async () => {
    const path = temporary("file2");
    await writeFile(path, "abc");
    await writeFile(temporary("blocked"), "a file where a folder should be");
    const hash = await hashFile(path, { folder: temporary("blocked") });
    const folder = temporary("damaged");
    expect(await hashFile(path, { folder })).toBe(hash);
    const [note = ""] = await readdir(join(folder, "hashes"));
    await writeFile(join(folder, "hashes", note), "{");
    expect(await hashFile(path, { folder })).toBe(hash);
  });
});
