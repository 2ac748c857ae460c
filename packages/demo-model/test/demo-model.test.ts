import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { demoModelFolder, readDemoModelManifest, verifyDemoModel } from "../src/index.ts";

const MAXIMUM_BYTES = 25_000_000;

let temporary: string;
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "latentsync-demo-model-"));
});
afterEach(() => rm(temporary, { recursive: true, force: true }));

async function copyModel(): Promise<string> {
  const folder = join(temporary, "model");
  await cp(demoModelFolder(), folder, { recursive: true });
  return folder;
}

describe("the bundled model", () => {
  it("lists every file with its size and SHA-256, and no other", async () => {
    const folder = demoModelFolder();
    expect(isAbsolute(folder)).toBe(true);
    const { files, licence, training } = await readDemoModelManifest();
    expect(licence).toBe("Apache-2.0");
    expect(training).toHaveProperty("seed");
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const present = entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
    expect(["manifest.json", ...files.map(({ path }) => path)].toSorted()).toEqual(
      present.toSorted(),
    );
    for (const { path, bytes, sha256 } of files) {
      const content = await readFile(join(folder, path));
      expect({ path, bytes: content.length, sha256: digest(content) }).toEqual({
        path,
        bytes,
        sha256,
      });
    }
  });

  it("weighs no more than every installation should bear", async () => {
    const { files } = await readDemoModelManifest();
    const manifest = await stat(join(demoModelFolder(), "manifest.json"));
    const bytes = files.reduce((sum, file) => sum + file.bytes, manifest.size);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes).toBeLessThanOrEqual(MAXIMUM_BYTES);
  });
});

const digest = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

describe("verifyDemoModel", () => {
  it("returns the manifest that all files agree with", async () => {
    expect(await verifyDemoModel()).toEqual(await readDemoModelManifest());
  });

  it("names every file that is damaged, cut short or missing, and says what to do", async () => {
    const folder = await copyModel();
    const checkpoint = join(folder, "latentsync_unet.pt");
    const content = await readFile(checkpoint);
    content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
    await writeFile(checkpoint, content);
    await writeFile(join(folder, "unet_config.yaml"), "model:");
    await rm(join(folder, "vae/config.json"));
    await expect(verifyDemoModel({ folder })).rejects.toMatchObject({
      code: "invalid_model",
      message: expect.stringMatching(
        /3 of \d+ files.*\n {2}latentsync_unet\.pt: has SHA-256 .*\n {2}unet_config\.yaml: has 6 bytes, expected \d+\n {2}vae\/config\.json: cannot be read/,
      ),
      hint: expect.stringContaining("npm install --force @ls/demo-model"),
    });
  });

  it("stops when it is told to", async () => {
    const reason = new Error("enough");
    await expect(verifyDemoModel({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe("a manifest", () => {
  it("that is not there is reported", async () => {
    await expect(readDemoModelManifest({ folder: temporary })).rejects.toMatchObject({
      code: "not_found",
      hint: expect.stringContaining("Install"),
    });
  });

  it.each([
    ["no JSON", "{", /is not JSON/],
    ["another version", '{"formatVersion":2}', /format version 1/],
    ["no files", manifestWith([]), /format version 1/],
    ["a file elsewhere", manifestWith([{ ...validFile(), path: "../x" }]), /format version 1/],
    ["an absolute path", manifestWith([{ ...validFile(), path: "/etc/x" }]), /format version 1/],
    ["no hash", manifestWith([{ ...validFile(), sha256: "abc" }]), /format version 1/],
  ])("with %s is refused", async (_, text, message) => {
    await writeFile(join(temporary, "manifest.json"), text);
    await expect(readDemoModelManifest({ folder: temporary })).rejects.toMatchObject({
      code: "invalid_model",
      message: expect.stringMatching(message),
    });
  });

  it("is taken if it is whole", async () => {
    await writeFile(join(temporary, "manifest.json"), manifestWith([validFile()]));
    expect((await readDemoModelManifest({ folder: temporary })).files).toEqual([validFile()]);
  });
});

function validFile(): { path: string; bytes: number; sha256: string } {
  return { path: "vae/config.json", bytes: 3, sha256: "0".repeat(64) };
}

function manifestWith(files: readonly unknown[]): string {
  const identity = { name: "demo", description: "A model.", licence: "Apache-2.0" };
  return JSON.stringify({ formatVersion: 1, ...identity, files, training: {} });
}
