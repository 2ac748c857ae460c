import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeModel, FakeRuntime } from "@ls/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { measure } from "../src/measure.ts";
import { stageBenchmarks, stageNames } from "../src/stages.ts";
import { inTemporaryFolder } from "../src/temporary-folder.ts";

const OPTIONS = {
  model: new FakeModel(),
  runtime: new FakeRuntime(),
  precision: "float32",
} as const;
const never = new AbortController().signal;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-stages-"));
  // On Windows the temporary folder is looked up under the other two names.
  for (const name of ["TMPDIR", "TEMP", "TMP"]) vi.stubEnv(name, folder);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe("stages", () => {
  it("are all there, in the order of the pipeline", () => {
    expect(stageBenchmarks(OPTIONS).map(({ name }) => name)).toEqual(stageNames);
  });

  it("run: mel on 30 s of sound, the VAE on images of the model's size", async () => {
    const benchmarks = stageBenchmarks(OPTIONS).filter(({ name }) =>
      ["mel", "vae-encode", "vae-decode"].includes(name),
    );
    const measurements = await measure({ benchmarks, rounds: 1, signal: never });
    expect(measurements).toMatchObject([
      { name: "mel", unit: "s of sound", itemsPerRun: 30, milliseconds: [expect.any(Number)] },
      { name: "vae-encode", unit: "images" },
      { name: "vae-decode", unit: "images" },
    ]);
    expect(OPTIONS.runtime.openSessions).toBe(0);
  });

  it("leave no folder behind when they are aborted before they are ready", async () => {
    const aborted = AbortSignal.abort(new Error("enough"));
    const decode = stageBenchmarks(OPTIONS).find(({ name }) => name === "decode");
    await expect(decode?.create(aborted)).rejects.toThrow("enough");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("a temporary folder", () => {
  it("is there until its benchmark is put away", async () => {
    const resources = await inTemporaryFolder(async (_, own) => own);
    expect(await readdir(folder)).toHaveLength(1);
    await resources[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  });
});
