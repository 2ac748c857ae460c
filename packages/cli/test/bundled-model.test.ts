import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { demoModelFolder, readDemoModelManifest } from "@ls/demo-model";
import { openModel } from "@ls/models";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { defaultModel, locateModel } from "../src/bundled-model.ts";
import { load } from "../src/load.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-bundled-"));
  vi.stubEnv("LATENTSYNC_HOME", join(folder, "home"));
  vi.stubEnv("HF_HOME", join(folder, "hub"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts files where a pull leaves them; their content is of no account until a model is opened. */
async function pretendToPull(repository: string, files: readonly string[]): Promise<void> {
  const commit = "0".repeat(40);
  const cached = join(folder, "hub/hub", `models--${repository.replaceAll("/", "--")}`);
  for (const file of ["refs/main", ...files.map((path) => `snapshots/${commit}/${path}`)]) {
    await mkdir(dirname(join(cached, file)), { recursive: true });
    await writeFile(join(cached, file), commit);
  }
}

async function pretendToPullModel(version: "1.5" | "1.6"): Promise<void> {
  await pretendToPull(`ByteDance/LatentSync-${version}`, ["latentsync_unet.pt", "whisper/tiny.pt"]);
  await pretendToPull("stabilityai/sd-vae-ft-mse", [
    "config.json",
    "diffusion_pytorch_model.safetensors",
  ]);
}

describe("the model where none is named", () => {
  it("is the bundled one until one is pulled, then the newest", async () => {
    expect(await defaultModel()).toBe("latentsync-demo");
    await pretendToPullModel("1.6");
    expect(await defaultModel()).toBe("latentsync-1.6");
    await pretendToPullModel("1.5");
    expect(await defaultModel()).toBe("latentsync-1.6");
  });

  it("is told in one line if it is the bundled one", async () => {
    await using engine = await load({ runtime: "cpu" });
    expect(engine.model.name).toBe("latentsync-demo");
    expect(engine.notices).toHaveLength(1);
    expect(engine.notices[0]).toMatch(
      /^[^\n]*demo model, trained on drawn faces[^\n]*latentsync-ts models pull latentsync-1\.6$/,
    );
  });

  it("is not told if the bundled one was asked for", async () => {
    await using engine = await load({ runtime: "cpu", model: "latentsync-demo" });
    expect(engine.model.name).toBe("latentsync-demo");
    expect(engine.notices).toEqual([]);
  });

  it("is opened from the hub's cache if one is pulled", async () => {
    await pretendToPullModel("1.5");
    await expect(load({ runtime: "cpu" })).rejects.toThrow(/LatentSync-1\.5|sd-vae-ft-mse/);
  });
});

describe("the bundled model", () => {
  it("opens as a complete checkpoint, under the name and licence of its manifest", async () => {
    const { name, licence } = await readDemoModelManifest();
    expect(locateModel("latentsync-demo")).toBe(demoModelFolder());
    await using model = await openModel(locateModel("latentsync-demo"));
    expect(model.info).toMatchObject({ name, licence });
  });

  it("leaves every other name alone", () => {
    expect(locateModel("latentsync-1.6")).toBe("latentsync-1.6");
    expect(locateModel("some/folder")).toBe("some/folder");
  });
});
