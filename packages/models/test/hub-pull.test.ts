import { existsSync } from "node:fs";
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { getHFHubCachePath, getRepoFolderName, scanCacheDir } from "@huggingface/hub";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { hubCacheFolder } from "../src/hub/hub-settings.ts";
import {
  findPulledModel,
  listModels,
  pullModel,
  type PullEvent,
  type PullOptions,
  verifyModel,
} from "../src/hub/pull.ts";
import { COMMIT, etagOf, HubServer } from "./hub-server.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const temporary = useTemporaryFolder();
const LATENTSYNC = "ByteDance/LatentSync-1.6";
const VAE = "stabilityai/sd-vae-ft-mse";
const UNET = Buffer.alloc(300_000, "the UNet's weights ");
const QUICK: PullOptions = { attempts: 3, retryDelayMs: 1 };

let server: HubServer;
let cache: string;
let run = 0;

/** Content by its hash, in a repository of the cache. */
function blobs(repository: string): string {
  return join(cache, `models--${repository.replace("/", "--")}`, "blobs");
}

function unetBlob(): string {
  return join(blobs(LATENTSYNC), etagOf({ content: UNET, isLarge: true }));
}

beforeEach(async () => {
  server = await HubServer.start();
  server.add(`${LATENTSYNC}/latentsync_unet.pt`, UNET, true);
  server.add(`${LATENTSYNC}/whisper/tiny.pt`, "whisper", true);
  server.add(`${VAE}/config.json`, "{}", false);
  server.add(`${VAE}/diffusion_pytorch_model.safetensors`, "vae", true);
  cache = temporary(`hub-${run++}`);
  vi.stubEnv("HF_ENDPOINT", server.url);
  vi.stubEnv("HF_HUB_CACHE", cache);
  vi.stubEnv("HF_HOME", temporary("home"));
  vi.stubEnv("HF_TOKEN", undefined);
  vi.stubEnv("HF_HUB_OFFLINE", undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await server[Symbol.asyncDispose]();
});

describe("pullModel", () => {
  it("fills the Hugging Face cache as Python's tools expect it", async () => {
    const events: PullEvent[] = [];
    const pulled = await pullModel("latentsync-1.6", {
      ...QUICK,
      onProgress: (event) => events.push(event),
    });
    expect(await readFile(pulled.files.unetPath)).toEqual(UNET);
    expect(pulled.files.unetPath).toBe(
      join(cache, "models--ByteDance--LatentSync-1.6", "snapshots", COMMIT, "latentsync_unet.pt"),
    );
    expect((await lstat(pulled.files.unetPath)).isSymbolicLink()).toBe(true);
    const target = await readlink(pulled.files.whisperPaths[0] ?? "");
    expect(target).toMatch(/^(?:\.\.[\\/]){3}blobs[\\/][0-9a-f]{64}$/);
    const ref = join(cache, "models--ByteDance--LatentSync-1.6", "refs", "main");
    expect(await readFile(ref, "utf8")).toBe(COMMIT);
    expect(await readdir(pulled.files.vaeFolder)).toEqual([
      "config.json",
      "diffusion_pytorch_model.safetensors",
    ]);
    expect(pulled.files.unetConfig).toMatchObject({ data: { resolution: 512 } });
    expect(pulled.licences.map(({ licence }) => licence)).toEqual(["openrail++", "MIT", "MIT"]);
    expect(pulled.contents.map(({ bytes }) => bytes)).toEqual([300_000, 7, 2, 3]);
    // The hub's own library reads it.
    const { repos } = await scanCacheDir(cache);
    expect(repos.map(({ id }) => id.name).sort()).toEqual([LATENTSYNC, VAE].sort());
    for (const { revisions } of repos) {
      expect(revisions.map(({ commitOid, refs }) => [commitOid, refs])).toEqual([
        [COMMIT, ["main"]],
      ]);
    }
    const unet = events.filter(({ path }) => path === "latentsync_unet.pt");
    expect(unet[0]).toEqual({
      type: "start",
      bytesDone: 0,
      bytesTotal: 300_000,
      repository: LATENTSYNC,
      path: "latentsync_unet.pt",
    });
    expect(unet.at(-2)).toMatchObject({ type: "progress", bytesDone: 300_000 });
    expect(unet.at(-1)).toMatchObject({ type: "verify" });
  });

  it("gets 1.5 with its own configuration", async () => {
    server.add("ByteDance/LatentSync-1.5/latentsync_unet.pt", "1.5", true);
    server.add("ByteDance/LatentSync-1.5/whisper/tiny.pt", "whisper", true);
    const pulled = await pullModel("latentsync-1.5", QUICK);
    expect(pulled.files.unetConfig).toMatchObject({ data: { resolution: 256 } });
    expect(await readFile(pulled.files.unetPath, "utf8")).toBe("1.5");
  });

  it("asks for nothing that is there and intact, and for what is damaged", async () => {
    const first = await pullModel("latentsync-1.6", QUICK);
    const count = server.downloads.length;
    expect(await pullModel("latentsync-1.6", QUICK)).toEqual(first);
    expect(server.downloads).toHaveLength(count);
    await writeFile(unetBlob(), Buffer.alloc(300_000, "damage"));
    await pullModel("latentsync-1.6", QUICK);
    expect(server.downloads).toHaveLength(count + 1);
    expect(await readFile(first.files.unetPath)).toEqual(UNET);
  });

  it("goes on where a connection broke, as long as there is progress", async () => {
    server.faults.breakAfter = { bytes: 50_000, times: 5 };
    const events: PullEvent[] = [];
    const { files } = await pullModel("latentsync-1.6", {
      ...QUICK,
      onProgress: (event) => events.push(event),
    });
    expect(await readFile(files.unetPath)).toEqual(UNET);
    const ranges = server.downloads
      .filter(({ path }) => path.endsWith("latentsync_unet.pt"))
      .map(({ range }) => Number(range?.replace(/bytes=(\d+)-/, "$1") ?? 0));
    expect(ranges[0]).toBe(0);
    expect(ranges.length).toBeGreaterThan(2);
    expect(ranges).toEqual([...ranges].sort((a, b) => a - b));
    expect(ranges.at(-1)).toBeGreaterThan(100_000);
    expect(events.filter(({ type }) => type === "retry").length).toBe(ranges.length - 1);
  });

  it("goes on with what an earlier run has left", async () => {
    await mkdir(blobs(LATENTSYNC), { recursive: true });
    await writeFile(`${unetBlob()}.incomplete`, UNET.subarray(0, 200_000));
    const { files } = await pullModel("latentsync-1.6", QUICK);
    expect(await readFile(files.unetPath)).toEqual(UNET);
    expect(server.downloads[0]?.range).toBe("bytes=200000-");
    expect(existsSync(`${unetBlob()}.incomplete`)).toBe(false);
  });

  it("starts again where the server ignores ranges", async () => {
    server.faults.ignoresRange = true;
    await mkdir(blobs(LATENTSYNC), { recursive: true });
    await writeFile(`${unetBlob()}.incomplete`, UNET.subarray(0, 200_000));
    const { files } = await pullModel("latentsync-1.6", QUICK);
    expect(await readFile(files.unetPath)).toEqual(UNET);
  });

  it.each([
    ["of other content", Buffer.alloc(1000, "x")],
    ["that is whole but damaged", Buffer.alloc(UNET.length, "x")],
    ["that is too long", Buffer.alloc(UNET.length + 1)],
  ])("starts again over a partial file %s", async (_, content) => {
    await mkdir(blobs(LATENTSYNC), { recursive: true });
    await writeFile(`${unetBlob()}.incomplete`, content);
    const { files } = await pullModel("latentsync-1.6", QUICK);
    expect(await readFile(files.unetPath)).toEqual(UNET);
  });

  it("refuses content whose hash is wrong, and keeps none of it", async () => {
    server.faults.corrupts = true;
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("network");
    expect(error.message).toContain("its hash is not");
    expect(await readdir(blobs(LATENTSYNC))).toEqual([]);
    expect((await rejection(findPulledModel("latentsync-1.6"))).code).toBe("not_found");
  });

  it("refuses a small file whose git hash is wrong", async () => {
    await pullModel("latentsync-1.6", QUICK);
    await rm(blobs(VAE), { recursive: true });
    server.faults.corrupts = true;
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.message).toContain(`config.json of ${VAE}`);
  });

  it("gives up on a server that sends too much or answers with errors", async () => {
    server.faults.overlong = true;
    expect((await rejection(pullModel("latentsync-1.6", QUICK))).message).toContain("longer than");
    server.faults.overlong = false;
    server.faults.failWith = { status: 503, times: 3 };
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("network");
    expect(error.message).toContain("503");
    server.faults.failWith = { status: 503, times: 2 };
    expect((await pullModel("latentsync-1.6", QUICK)).name).toBe("latentsync-1.6");
  });

  it("gives up on a connection that brings nothing", async () => {
    server.faults.stalls = true;
    const error = await rejection(pullModel("latentsync-1.6", { ...QUICK, stallTimeoutMs: 50 }));
    expect(error.code).toBe("network");
    expect(error.message).toContain("nothing was received for 0.05 s");
  });

  it("says when nobody answers", async () => {
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:1");
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("network");
    expect(error.message).toContain("ByteDance/LatentSync-1.6");
  });

  it("says when access is refused, and sends the token to the hub alone", async () => {
    server.faults.token = "secret";
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("network");
    expect(error.message).toContain("status 401");
    expect(error.hint).toContain("HF_TOKEN");
    expect(server.requests).toHaveLength(1);
    vi.stubEnv("HF_TOKEN", "secret");
    await pullModel("latentsync-1.6", QUICK);
    const storage = server.requests.filter(({ path }) => path.startsWith("/storage/"));
    expect(storage.length).toBeGreaterThan(2);
    expect(storage.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it("takes the token that a login has stored", async () => {
    server.faults.token = "stored";
    await mkdir(temporary("home"), { recursive: true });
    await writeFile(temporary("home", "token"), "stored\n");
    expect((await pullModel("latentsync-1.6", QUICK)).name).toBe("latentsync-1.6");
    await rm(temporary("home"), { recursive: true });
  });

  it("says what is not there", async () => {
    server.files.delete(`${LATENTSYNC}/latentsync_unet.pt`);
    const file = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(file.code).toBe("not_found");
    expect(file.message).toContain("has no latentsync_unet.pt");
    const repository = await rejection(pullModel("hf:no/such", QUICK));
    expect(repository.code).toBe("not_found");
    expect(repository.message).toContain("no/such");
    for (const name of ["latentsync-9", "hf:x", "hf:a/../b", "hf:../x", "hf:a/b/c"]) {
      expect((await rejection(pullModel(name, QUICK))).code).toBe("invalid_argument");
    }
  });

  it("does not trust an answer without a commit", async () => {
    server.faults.brokenApi = true;
    const { message } = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(message).toContain("40 hexadecimal digits");
  });

  it("keeps what it has when aborted, and goes on from there", async () => {
    server.faults.breakAfter = { bytes: 100_000, times: 1 };
    const aborting = new AbortController();
    const reason = new Error("stop");
    const pulling = pullModel("latentsync-1.6", {
      ...QUICK,
      signal: aborting.signal,
      onProgress: ({ type }) => {
        if (type === "retry") aborting.abort(reason);
      },
    });
    await expect(pulling).rejects.toBe(reason);
    expect((await readFile(`${unetBlob()}.incomplete`)).length).toBeGreaterThan(0);
    expect(await readdir(join(cache, ".locks", "models--ByteDance--LatentSync-1.6"))).toEqual([]);
    await pullModel("latentsync-1.6", QUICK);
    expect(await readFile(unetBlob())).toEqual(UNET);
  });

  it.skipIf(!existsSync("/dev/full"))(
    "tells a full disk as such (skipped where there is no /dev/full)",
    async () => {
      await mkdir(blobs(LATENTSYNC), { recursive: true });
      await symlink("/dev/full", `${unetBlob()}.incomplete`);
      const error = await rejection(pullModel("latentsync-1.6", QUICK));
      expect(error.code).toBe("disk_full");
      expect(error.message).toContain("partial download is kept");
      expect(error.hint).toContain("HF_HOME");
    },
  );

  it("asks for space before it begins", async () => {
    const content = Buffer.from("small");
    server.files.set(`${LATENTSYNC}/latentsync_unet.pt`, { content, isLarge: true });
    // No disk has this much.
    Object.defineProperty(content, "length", { value: 2 ** 52 });
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("disk_full");
    expect(server.downloads).toEqual([]);
  });

  it("lets two pulls at once share the work", async () => {
    const [a, b] = await Promise.all([
      pullModel("latentsync-1.6", QUICK),
      pullModel("latentsync-1.6", QUICK),
    ]);
    expect(a).toEqual(b);
    const names = server.downloads.map(({ path }) => path);
    expect(names).toHaveLength(new Set(names).size);
  });

  it("gets any repository that has a configuration, with its own Whisper and VAE or the usual", async () => {
    server.add("me/mine/latentsync_unet.pt", "mine", true);
    server.add("me/mine/unet_config.yaml", "model: {}", false);
    const usual = await pullModel("hf:me/mine", QUICK);
    expect(usual.files.unetConfig).toMatch(/models--me--mine.*unet_config\.yaml$/);
    expect(usual.files.whisperPaths[0]).toContain("ByteDance--LatentSync-1.6");
    expect(usual.files.vaeFolder).toContain("stabilityai--sd-vae-ft-mse");
    server.add("me/whole/latentsync_unet.pt", "mine", true);
    server.add("me/whole/unet_config.yaml", "model: {}", false);
    server.add("me/whole/whisper/small.pt", "small", true);
    server.add("me/whole/vae/config.json", "{}", false);
    server.add("me/whole/vae/diffusion_pytorch_model.safetensors", "vae", true);
    server.add("me/whole/scheduler_config.json", "{}", false);
    const { files } = await pullModel("hf:me/whole", QUICK);
    expect(files.whisperPaths).toHaveLength(1);
    for (const path of [files.whisperPaths[0], files.vaeFolder, files.schedulerPath]) {
      expect(path).toContain("models--me--whole");
    }
  });
});

describe("what is on this machine", () => {
  it("is used offline, and missed with a word of why", async () => {
    const pulled = await pullModel("latentsync-1.6", QUICK);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    const count = server.requests.length;
    expect(await pullModel("latentsync-1.6", QUICK)).toEqual(pulled);
    expect(server.requests).toHaveLength(count);
    vi.stubEnv("HF_HUB_CACHE", temporary("elsewhere"));
    const error = await rejection(pullModel("latentsync-1.6", QUICK));
    expect(error.code).toBe("network");
    expect(error.message).toContain("HF_HUB_OFFLINE");
  });

  it("is listed and found", async () => {
    expect((await listModels()).map(({ isPulled }) => isPulled)).toEqual([false, false]);
    const missing = await rejection(findPulledModel("latentsync-1.6"));
    expect(missing.code).toBe("not_found");
    expect(missing.hint).toBe("Run: latentsync-ts models pull latentsync-1.6");
    const pulled = await pullModel("latentsync-1.6", QUICK);
    expect(await findPulledModel("latentsync-1.6")).toEqual(pulled);
    expect(await listModels()).toMatchObject([
      { name: "latentsync-1.5", isPulled: false, bytes: undefined },
      { name: "latentsync-1.6", isPulled: true, bytes: 300_012 },
    ]);
  });

  it("is verified without the network", async () => {
    const { files } = await pullModel("latentsync-1.6", QUICK);
    const count = server.requests.length;
    const statuses = async (): Promise<Record<string, string>> =>
      Object.fromEntries(
        (await verifyModel("latentsync-1.6")).map(({ path, status }) => [path, status]),
      );
    expect(await statuses()).toEqual({
      "latentsync_unet.pt": "intact",
      "whisper/tiny.pt": "intact",
      "config.json": "intact",
      "diffusion_pytorch_model.safetensors": "intact",
    });
    await writeFile(await realpath(files.unetPath), "damage");
    const whisper = files.whisperPaths[0] ?? "";
    await rm(whisper);
    await writeFile(whisper, "a copy, as on a system without links");
    expect(await statuses()).toMatchObject({
      "latentsync_unet.pt": "damaged",
      "whisper/tiny.pt": "unknown",
    });
    expect(server.requests).toHaveLength(count);
    expect((await rejection(verifyModel("latentsync-1.5"))).code).toBe("not_found");
  });

  it("lies where the hub's own library looks", () => {
    for (const [name, value] of [
      ["HF_HUB_CACHE", "/a"],
      ["HUGGINGFACE_HUB_CACHE", "/b"],
      ["HF_HOME", "/c"],
      ["XDG_CACHE_HOME", "/d"],
    ] as const) {
      vi.unstubAllEnvs();
      for (const other of ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"]) {
        vi.stubEnv(other, undefined);
      }
      vi.stubEnv(name, value);
      expect(hubCacheFolder()).toBe(getHFHubCachePath());
      expect(hubCacheFolder()).toContain(value);
    }
    expect(getRepoFolderName({ type: "model", name: LATENTSYNC })).toBe(
      "models--ByteDance--LatentSync-1.6",
    );
  });
});
