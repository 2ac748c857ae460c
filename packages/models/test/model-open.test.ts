/** Models as users open them: folders in the official layout, converted folders, random weights. */
import { copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { GraphKind, GraphRequest, GraphSource } from "@ls/core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  convertCheckpoint,
  openModel,
  type OpenedModel,
  openRandomModel,
  writeRandomModel,
} from "../src/model/index.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const path = useTemporaryFolder();
const official = (): string => path("official");
const settings = (): { cacheFolder: string } => ({ cacheFolder: path("cache") });
const WHISPER = { kind: "whisper_encoder", profile: "cpu", precision: "float32" } as const;
const CPU = { profile: "cpu", precision: "float32" } as const;

beforeAll(() => writeRandomModel(official(), { size: "small", seed: 3 }));

function pathOf(source: GraphSource): string {
  if (!("path" in source)) throw new Error("The graph is not a file.");
  return source.path;
}

async function graphPath(model: OpenedModel, request: GraphRequest = WHISPER): Promise<string> {
  return pathOf(await model.graph(request));
}

/** A copy of the official folder with one text of its configuration replaced. */
async function editedFolder(name: string, file: string, from: string, to: string): Promise<string> {
  const folder = path(name);
  await cp(official(), folder, { recursive: true });
  const text = await readFile(path(name, file), "utf8");
  expect(text).toContain(from);
  await writeFile(path(name, file), text.replace(from, to));
  return folder;
}

describe("a folder in the official layout", () => {
  it("is described for the pipeline", async () => {
    await using model = await openModel(official(), settings());
    expect(model.info).toMatchObject({
      name: "official",
      resolution: 128,
      framesPerChunk: 16,
      latentChannels: 4,
      vaeScaleFactor: 8,
      scalingFactor: 0.18215,
      shiftFactor: 0,
      audioFeatureLength: [2, 2],
      audioTokens: 50,
      crossAttentionWidth: 64,
      scheduler: { trainTimesteps: 1000, betaSchedule: "scaled_linear", clipSample: false },
      licence: expect.stringContaining("openrail++") as unknown,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    });
  });

  it("has the name and the licence that its manifest states, if it states both", async () => {
    const folder = path("with-manifest");
    await cp(official(), folder, { recursive: true });
    const infoWith = async (manifest: string): Promise<unknown> => {
      await writeFile(path("with-manifest", "manifest.json"), manifest);
      await using model = await openModel(folder, settings());
      return model.info;
    };
    const named = await infoWith('{"name":"mine","licence":"MIT","files":[]}');
    expect(named).toMatchObject({ name: "mine", licence: "MIT" });
    for (const other of ["[1", "null", '{"name":"mine"}', '{"name":1,"licence":"MIT"}']) {
      expect(await infoWith(other)).toMatchObject({
        name: "with-manifest",
        licence: expect.stringContaining("openrail++") as unknown,
      });
    }
  });

  it("is known by its hash wherever it lies", async () => {
    const moved = path("moved");
    await cp(official(), moved, { recursive: true });
    await using model = await openModel(official(), settings());
    await using other = await openModel(moved, settings());
    expect(other.info).toEqual({ ...model.info, name: "moved" });
    expect(await graphPath(other)).toBe(await graphPath(model));
  });

  it("builds a graph once, for every model and process that asks", async () => {
    const built: string[] = [];
    const onProgress = (group: string): number => built.push(group);
    const cacheFolder = path("cache-once");
    await using model = await openModel(official(), { cacheFolder, onProgress });
    await using other = await openModel(official(), { cacheFolder, onProgress });
    const paths = await Promise.all([graphPath(model), graphPath(other), graphPath(model)]);
    expect(new Set(paths).size).toBe(1);
    expect(await readdir(path("cache-once", "graphs"))).toHaveLength(1);
    const writes = built.length;
    expect(writes).toBeGreaterThan(0);
    await using later = await openModel(official(), { cacheFolder, onProgress });
    expect(await graphPath(later)).toBe(paths[0]);
    expect(built).toHaveLength(writes);
  });

  it("keeps the UNet's graphs together, so that they share their weights", async () => {
    await using model = await openModel(official(), settings());
    const kinds: readonly GraphKind[] = ["unet", "unet_deepcache_full", "unet_deepcache_shallow"];
    const paths = await Promise.all(kinds.map((kind) => graphPath(model, { ...CPU, kind })));
    const folders = new Set(paths.map((file) => file.replace(/[^/\\]+$/, "")));
    const [folder = "", ...others] = folders;
    expect(others).toEqual([]);
    expect((await readdir(folder)).toSorted()).toEqual([
      "unet.onnx",
      "unet.onnx.data",
      "unet_deepcache_full.onnx",
      "unet_deepcache_full_guided.onnx",
      "unet_deepcache_shallow.onnx",
      "unet_deepcache_shallow_guided.onnx",
      "unet_guided.onnx",
    ]);
  });

  it("has groups of steps for runtimes that take them, with the same weights", async () => {
    await using model = await openModel(official(), settings());
    const request = { profile: "cuda", precision: "float16" } as const;
    const bytes = async (kind: GraphKind): Promise<number> =>
      (await stat(await graphPath(model, { ...request, kind }))).size;
    for (const kind of ["unet_group_2", "unet_group_3_guided"] as const) {
      // Structure, without weights.
      expect(await bytes(kind)).toBeLessThan(2 ** 21);
    }
    const file = await graphPath(model, { ...request, kind: "unet_group_3" });
    expect((await readdir(dirname(file))).filter((name) => name.endsWith(".data"))).toEqual([
      "unet.onnx.data",
    ]);
  });

  it("has other graphs for another precision", async () => {
    await using model = await openModel(official(), settings());
    const vae = { ...CPU, kind: "vae_decoder" } as const;
    const weightBytes = async (request: GraphRequest): Promise<number> =>
      (await stat(`${await graphPath(model, request)}.data`)).size;
    const half = await weightBytes({ ...vae, precision: "float16" });
    expect(half / (await weightBytes(vae))).toBeCloseTo(0.5, 1);
  });

  it("is another model if its configuration says something else", async () => {
    const folder = await editedFolder(
      "other-schedule",
      "scheduler_config.json",
      '"beta_end": 0.012',
      '"beta_end": 0.02',
    );
    await using model = await openModel(official(), settings());
    await using edited = await openModel(folder, settings());
    expect(edited.info.scheduler.betaEnd).toBe(0.02);
    expect(edited.info.hash).not.toBe(model.info.hash);
    expect(await graphPath(edited)).not.toBe(await graphPath(model));
  });

  it("leaves no entry in the cache when building is aborted", async () => {
    const cacheFolder = path("cache-aborted");
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error("enough"));
    await using model = await openModel(official(), { cacheFolder, onProgress });
    const request = { ...CPU, kind: "unet", signal: controller.signal } as const;
    await expect(model.graph(request)).rejects.toThrow("enough");
    expect(await readdir(path("cache-aborted", "graphs"))).toEqual([]);
  });

  it("is refused with a list of the tensors that do not fit", async () => {
    const folder = await editedFolder(
      "other-width",
      "unet_config.yaml",
      "motion_module_mid_block: false",
      "motion_module_mid_block: true",
    );
    const error = await rejection(openModel(folder, settings()));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toMatch(/missing \(\d+\): mid_block\.motion_modules\.0\./);
    expect(error.hint).toBeDefined();
  });

  it("is named if it is not there", async () => {
    expect(await rejection(openModel(path("nowhere"), settings()))).toMatchObject({
      code: "not_found",
      message: expect.stringContaining("nowhere") as unknown,
    });
  });
});

describe("a converted model", () => {
  const converted = (): string => path("converted");
  const float16 = { profile: "cpu", precision: "float16" } as const;
  beforeAll(() => convertCheckpoint(official(), converted(), { ...settings(), variant: CPU }));

  it("has the graphs of the checkpoint, byte for byte, and needs no checkpoint", async () => {
    await using checkpoint = await openModel(official(), settings());
    await using model = await openModel(converted());
    expect(model.info).toEqual(checkpoint.info);
    for (const kind of ["unet", "unet_deepcache_shallow", "vae_encoder", "vae_decoder"] as const) {
      const expected = await readFile(await graphPath(checkpoint, { ...CPU, kind }));
      expect(expected.equals(await readFile(await graphPath(model, { ...CPU, kind })))).toBe(true);
    }
    const data = (file: string): Promise<Buffer> => readFile(`${file.replace(/_deep.*/, "")}.data`);
    const unet = { ...CPU, kind: "unet" } as const;
    const weights = await data(await graphPath(checkpoint, unet));
    expect(weights.equals(await data(await graphPath(model, unet)))).toBe(true);
  });

  it("may hold several variants, and names them when asked for another", async () => {
    const folder = path("two-variants");
    await cp(converted(), folder, { recursive: true });
    const options = { ...settings(), variant: float16 };
    await using before = await openModel(folder);
    const error = await rejection(before.graph({ ...WHISPER, precision: "float16" }));
    expect(error.message).toContain("was converted for cpu-float32, not for cpu-float16");
    expect(error.hint).toContain("Convert");

    await convertCheckpoint(official(), folder, options);
    await convertCheckpoint(official(), folder, options);
    await using after = await openModel(folder);
    for (const precision of ["float32", "float16"] as const) {
      expect(await graphPath(after, { ...WHISPER, precision })).toContain(`cpu-${precision}`);
    }
    expect((await readdir(folder)).toSorted()).toEqual([
      "cpu-float16",
      "cpu-float32",
      "latentsync.json",
    ]);
  });

  it("stays as it was when a conversion is aborted", async () => {
    const folder = path("aborted");
    await cp(converted(), folder, { recursive: true });
    const controller = new AbortController();
    const failing = convertCheckpoint(official(), folder, {
      ...settings(),
      variant: CPU,
      signal: controller.signal,
      onProgress: (group) => {
        if (group === "unet") controller.abort(new Error("enough"));
      },
    });
    await expect(failing).rejects.toThrow("enough");
    expect((await readdir(folder)).toSorted()).toEqual(["cpu-float32", "latentsync.json"]);
    await using model = await openModel(folder);
    expect((await stat(await graphPath(model))).isFile()).toBe(true);
  });

  it("says so when a graph has gone", async () => {
    const folder = path("incomplete");
    await cp(converted(), folder, { recursive: true });
    await rm(path("incomplete", "cpu-float32", "vae_decoder"), { recursive: true });
    await using model = await openModel(folder);
    const error = await rejection(model.graph({ ...CPU, kind: "vae_decoder" }));
    expect(error).toMatchObject({ code: "invalid_model", hint: "Convert the checkpoint again." });
  });

  it("is not converted again", async () => {
    const again = convertCheckpoint(converted(), path("again"), { variant: CPU });
    expect((await rejection(again)).message).toContain("is a converted model already");
  });

  it("does not take the graphs of another model", async () => {
    const other = path("other-seed");
    await writeRandomModel(other, { size: "small", seed: 4 });
    const mixed = convertCheckpoint(other, converted(), { ...settings(), variant: float16 });
    expect(await rejection(mixed)).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(
        "already holds another converted model, official",
      ) as unknown,
    });
  });

  it.each([
    [
      "another format",
      (text: string) => text.replace('"formatVersion": 1', '"formatVersion": 9'),
      /format 1 \(found 9\)/,
    ],
    ["no JSON", () => "graphs, graphs", /is not JSON/],
    ["no object", () => "null", /is not a converted model/],
  ])("is refused with a manifest of %s", async (name, edit, message) => {
    const folder = path(`manifest ${name}`);
    await mkdir(folder);
    const text = await readFile(path("converted", "latentsync.json"), "utf8");
    await writeFile(path(`manifest ${name}`, "latentsync.json"), edit(text));
    const error = await rejection(openModel(folder));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toMatch(message);
    expect(error.hint).toContain("Convert");
  });
});

describe("the official script's two files", () => {
  it("are a model, named after the checkpoint", async () => {
    const config = path("config of mine.yaml");
    await copyFile(path("official", "unet_config.yaml"), config);
    const reference = {
      unetConfigPath: config,
      unetCheckpointPath: path("official", "latentsync_unet.pt"),
    };
    await using model = await openModel(reference, settings());
    await using folder = await openModel(official(), settings());
    expect(model.info).toEqual({ ...folder.info, name: "latentsync_unet.pt" });
  });
});

describe("random weights", () => {
  it("are the same on disk and off it, by seed", async () => {
    await using model = openRandomModel({ size: "small", seed: 3, ...settings() });
    await using other = openRandomModel({ size: "small", seed: 4, ...settings() });
    await using onDisk = await openModel(official(), settings());
    const { name, licence, hash, ...rest } = model.info;
    expect({ name, licence }).toEqual({ name: "random-small", licence: "none: random weights" });
    expect(onDisk.info).toMatchObject(rest);
    expect(hash).not.toBe(other.info.hash);
    const read = async (opened: OpenedModel): Promise<Buffer> =>
      readFile(`${await graphPath(opened, { ...CPU, kind: "vae_encoder" })}.data`);
    const weights = await read(model);
    expect(weights.equals(await read(onDisk))).toBe(true);
    expect(weights.equals(await read(other))).toBe(false);
  });
});
