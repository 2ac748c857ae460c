import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { hashModelFiles, openRandomModel, writeRandomModel } from "../src/model/index.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const path = useTemporaryFolder();
const settings = (): { cacheFolder: string } => ({ cacheFolder: path("cache") });

async function sha256(...segments: readonly string[]): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path(...segments)))
    .digest("hex");
}

describe("hashModelFiles", () => {
  beforeAll(() => writeRandomModel(path("official"), { size: "small", seed: 3 }));

  it("names every file of an official folder, and follows its content", async () => {
    const hashes = await hashModelFiles(path("official"), settings());
    expect(Object.keys(hashes).toSorted()).toEqual([
      "latentsync_unet.pt",
      "scheduler_config.json",
      "unet_config.yaml",
      "vae/config.json",
      "vae/diffusion_pytorch_model.safetensors",
      "whisper/tiny.pt",
    ]);
    for (const [name, hash] of Object.entries(hashes)) {
      expect(hash).toBe(await sha256("official", ...name.split("/")));
    }
    const reference = {
      unetConfigPath: path("official", "unet_config.yaml"),
      unetCheckpointPath: path("official", "latentsync_unet.pt"),
    };
    expect(await hashModelFiles(reference, settings())).toEqual(hashes);
  });

  it("names every file of a converted folder", async () => {
    await using model = openRandomModel({ size: "small", ...settings() });
    await mkdir(path("converted", "cpu-float32", "unet"), { recursive: true });
    const manifest = { formatVersion: 1, info: model.info, variants: [] };
    await writeFile(path("converted", "latentsync.json"), JSON.stringify(manifest));
    await writeFile(path("converted", "cpu-float32", "unet", "unet.onnx"), "graph");
    expect(await hashModelFiles(path("converted"), settings())).toEqual({
      "cpu-float32/unet/unet.onnx": await sha256("converted", "cpu-float32", "unet", "unet.onnx"),
      "latentsync.json": await sha256("converted", "latentsync.json"),
    });
  });

  it("says what is not there", async () => {
    const error = await rejection(hashModelFiles(path("nowhere"), settings()));
    expect(error.code).toBe("not_found");
  });
});
