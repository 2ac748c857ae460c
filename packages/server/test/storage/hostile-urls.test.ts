import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import { createGuardedConnector } from "../../src/net/index.ts";
import { createFileStorage } from "../../src/storage/file-storage.ts";
import { createGcsStorage } from "../../src/storage/gcs-storage.ts";
import { anonymousGoogleTokens } from "../../src/storage/google-tokens.ts";
import { createHttpStorage } from "../../src/storage/http-storage.ts";
import { createS3Storage } from "../../src/storage/s3-storage.ts";
import { createStorageRouter, parseLocation } from "../../src/storage/storage-router.ts";
import type { Storage, UploadFile } from "../../src/storage/storage.ts";
import { createUploadStorage } from "../../src/storage/upload-storage.ts";
import { listen } from "../net/local-server.ts";
import { failure } from "./failure.ts";
import { temporaryFolder } from "./temporary-folder.ts";

async function upload(folder: string): Promise<UploadFile> {
  const path = join(folder, "upload-source");
  await writeFile(path, "new content");
  return { path, sizeBytes: 11, sha256: "0".repeat(64), contentType: "video/mp4" };
}

/** A root with a file, beside a secret outside of it. */
async function rooted(): Promise<
  AsyncDisposable & { readonly path: string; readonly root: string; readonly storage: Storage }
> {
  const folder = await temporaryFolder();
  const root = join(folder.path, "root");
  await mkdir(join(root, "inner"), { recursive: true });
  await writeFile(join(root, "video.mp4"), "video");
  await mkdir(join(folder.path, "root-but-not"));
  await writeFile(join(folder.path, "root-but-not", "secret"), "secret");
  await writeFile(join(folder.path, "secret"), "secret");
  return {
    path: folder.path,
    root,
    storage: createFileStorage({ roots: [root] }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe("file URLs", () => {
  it.each([
    "file://../../etc/passwd",
    "file:///etc/passwd",
    "file:///ROOT/../secret",
    "file:///ROOT/%2e%2e/secret",
    "file:///ROOT/.%2E/secret",
    "file:///ROOT/..%2fsecret",
    "file:///ROOT/%2e%2e%2fsecret",
    "file:///ROOT/..%5csecret%00",
    "file:///ROOT/video.mp4%00.txt",
    "file:///ROOT/inner/../../secret",
    "file:///ROOT-but-not/secret",
    "file:///ROOT/",
    "file:///ROOT",
    "file:///ROOT/inner/",
    "file://host.test/ROOT/video.mp4",
    "file://127.0.0.1/ROOT/video.mp4",
    "file:///ROOT/video.mp4?x",
    "file:///ROOT/video.mp4#x",
    "file:///proc/self/environ",
    "file:///dev/zero",
  ])("%s is forbidden", async (pattern) => {
    await using at = await rooted();
    const url = new URL(
      pattern.replaceAll("/ROOT", at.root.slice(0)).replace("file:////", "file:///"),
    );
    const source = await upload(at.path);
    for (const attempt of [() => at.storage.open(url), () => at.storage.put(url, source)]) {
      const error = await failure(attempt());
      expect(error.code).toBe("forbidden");
      expect(error.message).not.toContain(at.path);
    }
    expect(await readFile(join(at.path, "secret"), "utf8")).toBe("secret");
    expect((await readdir(at.root)).toSorted()).toEqual(["inner", "video.mp4"]);
  });

  it("links are followed inside, and refused where they lead outside", async () => {
    await using at = await rooted();
    await symlink(join(at.root, "video.mp4"), join(at.root, "inside"));
    await symlink(join(at.path, "secret"), join(at.root, "outside"));
    await symlink(at.path, join(at.root, "up"));
    await symlink("loop", join(at.root, "loop"));
    const url = (name: string): URL => pathToFileURL(join(at.root, name));
    const source = await upload(at.path);
    const inside = await at.storage.open(url("inside"));
    expect(Buffer.concat(await Array.fromAsync(inside.body)).toString()).toBe("video");
    for (const name of ["outside", "up/secret", "loop", "up/not-there"]) {
      expect((await failure(at.storage.open(url(name)))).code).toBe("forbidden");
    }
    expect((await failure(at.storage.put(url("up/new"), source))).code).toBe("forbidden");
    // The link itself is replaced, not what it leads to.
    await at.storage.put(url("outside"), source);
    expect(await readFile(join(at.path, "secret"), "utf8")).toBe("secret");
    expect(await readFile(join(at.root, "outside"), "utf8")).toBe("new content");
    expect(await readdir(at.path)).not.toContain("new");
  });

  it("folders, pipes and what is not there", async () => {
    await using at = await rooted();
    await promisify(execFile)("mkfifo", [join(at.root, "pipe")]);
    const url = (name: string): URL => pathToFileURL(join(at.root, name));
    const source = await upload(at.path);
    expect((await failure(at.storage.open(url("pipe")))).code).toBe("forbidden");
    expect((await failure(at.storage.open(url("inner")))).code).toBe("forbidden");
    expect((await failure(at.storage.put(url("inner"), source))).code).toBe("forbidden");
    expect((await failure(at.storage.open(url("nothing")))).code).toBe("not_found");
    expect((await failure(at.storage.open(url("video.mp4/x")))).code).toBe("not_found");
    expect((await failure(at.storage.put(url("nowhere/x"), source))).code).toBe("not_found");
    expect((await readdir(at.root)).toSorted()).toEqual(["inner", "pipe", "video.mp4"]);
  });

  it("without roots all are forbidden", async () => {
    const storage = createFileStorage({ roots: [] });
    expect((await failure(storage.open(new URL("file:///etc/passwd")))).code).toBe("forbidden");
    expect(() => storage.check?.(new URL("file:///etc/passwd"))).toThrow(LatentSyncError);
  });
});

describe("http URLs", () => {
  it.each([
    "http://0x7f000001/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://[::ffff:127.0.0.1]/",
    "http://169.254.169.254/",
    "http://localhost/",
  ])("%s is forbidden for reading and writing", async (address) => {
    await using at = await rooted();
    await using origin = await listen((_request, response) => response.end());
    await using connector = createGuardedConnector();
    const storage = createHttpStorage(connector);
    const url = new URL(address);
    url.port = String(origin.port);
    const source = await upload(at.path);
    expect(() => storage.check?.(url)).toThrow(LatentSyncError);
    expect((await failure(storage.open(url))).code).toBe("forbidden");
    expect((await failure(storage.put(url, source))).code).toBe("forbidden");
    expect(origin.connections()).toBe(0);
  });

  it("redirects and changing names do not lead inside", async () => {
    await using at = await rooted();
    await using inner = await listen((_request, response) => response.end("inside"));
    await using origin = await listen((request, response) => {
      request.resume();
      response.writeHead(307, { location: `http://rebind.test:${inner.port}/` }).end();
    });
    await using connector = createGuardedConnector({
      allowedPrivateHosts: [origin.host],
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    });
    const storage = createHttpStorage(connector);
    const source = await upload(at.path);
    for (const url of [`${origin.origin}/`, `http://rebind.test:${inner.port}/`]) {
      expect((await failure(storage.open(new URL(url)))).code).toBe("forbidden");
      expect((await failure(storage.put(new URL(url), source))).code).toBe("forbidden");
    }
    expect(inner.connections()).toBe(0);
  });
});

describe("bucket URLs", () => {
  it("are refused unless they name a bucket that is allowed and a key", async () => {
    await using connector = createGuardedConnector();
    const buckets = ["mine"];
    await using s3 = createS3Storage({ connector, buckets, region: "us-east-1" });
    const gs = createGcsStorage({ connector, buckets, tokens: anonymousGoogleTokens });
    for (const storage of [s3, gs]) {
      const [protocol] = storage.protocols;
      const codeOf = async (rest: string): Promise<string> =>
        (await failure(storage.open(new URL(`${protocol}${rest}`)))).code;
      expect(await codeOf("//other/key")).toBe("forbidden");
      for (const rest of [
        "//mine",
        "//mine/",
        "//mine/%",
        "//mine/a%00b",
        "//mine/a?b",
        "//a@mine/b",
        "//mine:1/b",
        "/mine",
      ]) {
        expect(await codeOf(rest)).toBe("invalid_argument");
      }
      expect(() => storage.check?.(new URL(`${protocol}//mine/../key`))).not.toThrow();
    }
  });

  it("reach private endpoints only if the operator names them", async () => {
    await using inner = await listen((_request, response) => response.end());
    await using connector = createGuardedConnector({ headersTimeoutMs: 2000 });
    const credentials = { accessKeyId: "key", secretAccessKey: "secret" };
    const endpoint = inner.origin;
    await using s3 = createS3Storage({ connector, endpoint, credentials, region: "us-east-1" });
    const gs = createGcsStorage({
      connector,
      apiEndpoint: endpoint,
      tokens: anonymousGoogleTokens,
    });
    expect((await failure(s3.open(new URL("s3://bucket/key")))).code).toBe("forbidden");
    expect((await failure(gs.open(new URL("gs://bucket/key")))).code).toBe("forbidden");
    expect(inner.connections()).toBe(0);
  });
});

describe("the router", () => {
  it("goes by protocol, and says what it does not serve", async () => {
    await using at = await rooted();
    await using connector = createGuardedConnector();
    const uploads = createUploadStorage({ folder: join(at.path, "uploads") });
    const router = createStorageRouter([at.storage, createHttpStorage(connector), uploads]);
    expect(router.protocols).toEqual(["file:", "http:", "https:", "upload:"]);
    const found = await router.open(pathToFileURL(join(at.root, "video.mp4")));
    expect(Buffer.concat(await Array.fromAsync(found.body)).toString()).toBe("video");
    expect((await failure(router.open(new URL("gs://bucket/key")))).code).toBe("unsupported");
    expect((await failure(router.open(new URL("data:,x")))).code).toBe("unsupported");
    expect(() => createStorageRouter([uploads, uploads])).toThrow(/upload:/);
    expect(() => parseLocation(router, "video_in", "no url")).toThrow(/video_in/);
    expect(() => parseLocation(router, "out", "http://127.1/")).toThrow(/public/);
    expect(parseLocation(router, "out", "upload:").href).toBe("upload:");
    const source = await upload(at.path);
    expect(await router.holds?.(new URL("https://example.com/x"), source)).toBe(false);
  });
});
