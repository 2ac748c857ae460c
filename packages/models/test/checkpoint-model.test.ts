import { existsSync } from "node:fs";
import {
  cp,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { FileSink, toFileError } from "@ls/files";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { writeSafetensors, writeTorchCheckpoint } from "../src/checkpoint/checkpoint-writer.ts";
import { openModelFolder } from "../src/checkpoint/model-checkpoint.ts";
import { writeModelFolder } from "../src/checkpoint/model-folder-writer.ts";
import {
  publishedUNetConfigs,
  publishedWhisperDims,
  sdVaeFtMseConfig,
} from "../src/checkpoint/published-configs.ts";
import { describeCheckpoint } from "../src/checkpoint/published-versions.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { openTorchCheckpoint } from "../src/checkpoint/torch-checkpoint.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";

const temporary = useTemporaryFolder();

const CONTENT = {
  unetConfig: publishedUNetConfigs.stage2,
  unet: createRandomTensors(new Map([["conv_in.weight", [4, 13, 3, 3]]])),
  vaeConfig: sdVaeFtMseConfig,
  vae: createRandomTensors(new Map([["encoder.conv_in.weight", [4, 3, 3, 3]]])),
  whisperDims: publishedWhisperDims.tiny,
  whisper: createRandomTensors(new Map([["encoder.conv1.weight", [4, 80, 3]]])),
};

describe("model folders", () => {
  beforeAll(async () => {
    await writeModelFolder(temporary("flat"), CONTENT);
    // As the official repository has it: checkpoints, configs, and the VAE elsewhere.
    const official = temporary("official");
    await cp(temporary("flat"), temporary("official", "checkpoints"), { recursive: true });
    await mkdir(temporary("official", "configs", "unet"), { recursive: true });
    await rename(
      temporary("official", "checkpoints", "unet_config.yaml"),
      temporary("official", "configs", "unet", "stage2.yaml"),
    );
    await rename(
      temporary("official", "checkpoints", "scheduler_config.json"),
      temporary("official", "configs", "scheduler_config.json"),
    );
    expect((await readdir(official)).sort()).toEqual(["checkpoints", "configs"]);
  });

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const options = (): { cacheFolder: string } => ({ cacheFolder: temporary("cache") });

  it("are opened as they were written", async () => {
    await using model = await openModelFolder(temporary("flat"), options());
    expect(model.unetConfig).toEqual(CONTENT.unetConfig);
    expect(model.vaeConfig).toEqual(CONTENT.vaeConfig);
    expect(model.whisperDims).toEqual(CONTENT.whisperDims);
    expect(model.scheduler.betaSchedule).toBe("scaled_linear");
    for (const part of ["unet", "vae"] as const) {
      for (const name of CONTENT[part].entries.keys()) {
        expect(await model[part].readFloat32(name)).toEqual(await CONTENT[part].readFloat32(name));
      }
    }
    expect([...model.whisper.entries.keys()]).toEqual(["encoder.conv1.weight"]);
    expect(model.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it("have the same hash in every layout, and another when weights or settings change", async () => {
    const hashOf = async (folder: string): Promise<string> => {
      await using model = await openModelFolder(folder, options());
      return model.hash;
    };
    const hash = await hashOf(temporary("flat"));
    expect(await hashOf(temporary("official"))).toBe(hash);
    const { unetConfig } = CONTENT;
    const data = { ...unetConfig.data, resolution: 512 };
    await writeModelFolder(temporary("other"), { ...CONTENT, unetConfig: { ...unetConfig, data } });
    expect(await hashOf(temporary("other"))).not.toBe(hash);
    const unet = createRandomTensors(new Map([["conv_in.weight", [4, 13, 3, 3]]]), { seed: 1 });
    await writeModelFolder(temporary("other"), { ...CONTENT, unet });
    expect(await hashOf(temporary("other"))).not.toBe(hash);
  });

  it("are found beside the files that the official command line names", async () => {
    await using model = await openModelFolder(
      {
        unetConfigPath: temporary("official", "configs", "unet", "stage2.yaml"),
        unetCheckpointPath: temporary("official", "checkpoints", "latentsync_unet.pt"),
      },
      options(),
    );
    expect(model.files.schedulerPath).toBe(
      temporary("official", "configs", "scheduler_config.json"),
    );
    expect(model.unet.entries.has("conv_in.weight")).toBe(true);
  });

  it("take the VAE from the Hugging Face cache if they have none", async () => {
    await cp(temporary("flat"), temporary("bare"), { recursive: true });
    const commit = "a".repeat(40);
    const repository = temporary("hub", "models--stabilityai--sd-vae-ft-mse");
    await mkdir(`${repository}/refs`, { recursive: true });
    await mkdir(`${repository}/snapshots`, { recursive: true });
    await writeFile(`${repository}/refs/main`, commit);
    await rename(temporary("bare", "vae"), `${repository}/snapshots/${commit}`);
    vi.stubEnv("HF_HUB_CACHE", temporary("nothing"));
    expect((await rejection(openModelFolder(temporary("bare"), options()))).code).toBe("not_found");
    vi.stubEnv("HF_HUB_CACHE", temporary("hub"));
    await using model = await openModelFolder(temporary("bare"), options());
    expect(model.files.vaeFolder).toContain(commit);
    expect(model.vae.entries.size).toBe(1);
  });

  it("choose Whisper by the width of the cross-attention", async () => {
    await cp(temporary("flat"), temporary("wide"), { recursive: true });
    const small = temporary("wide", "whisper", "small.pt");
    await writeModelFolder(temporary("small"), {
      ...CONTENT,
      whisperDims: publishedWhisperDims.small,
      unetConfig: {
        ...CONTENT.unetConfig,
        model: { ...CONTENT.unetConfig.model, crossAttentionDim: 768 },
      },
    });
    await cp(temporary("small", "whisper", "small.pt"), small);
    await cp(temporary("small", "unet_config.yaml"), temporary("wide", "unet_config.yaml"));
    await using model = await openModelFolder(temporary("wide"), options());
    expect(model.whisperDims.nAudioState).toBe(768);
    await rm(small);
    const error = await rejection(openModelFolder(temporary("wide"), options()));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toContain("cross_attention_dim is 768");
    expect(error.message).toContain("384 wide");
  });

  it("that are incomplete say what was expected where", async () => {
    vi.stubEnv("HF_HUB_CACHE", temporary("nothing"));
    await mkdir(temporary("empty"), { recursive: true });
    const error = await rejection(openModelFolder(temporary("empty"), options()));
    expect(error.code).toBe("not_found");
    for (const name of [
      "latentsync_unet.pt",
      "unet_config.yaml",
      "vae/config.json",
      "whisper/tiny.pt",
    ]) {
      expect(error.message).toContain(name);
    }
    expect(error.hint).toContain("latentsync-ts models pull latentsync-1.6");
    const absent = await rejection(openModelFolder(temporary("absent"), options()));
    expect(absent.code).toBe("not_found");
  });

  it("are not opened after an abort", async () => {
    const reason = new Error("stop");
    const opening = openModelFolder(temporary("flat"), {
      ...options(),
      signal: AbortSignal.abort(reason),
    });
    await expect(opening).rejects.toBe(reason);
  });

  it("leave nothing behind when their writing is aborted", async () => {
    const reason = new Error("stop");
    const writing = writeTorchCheckpoint(temporary("aborted", "x.pt"), {
      values: {},
      tensorsKey: "t",
      tensors: CONTENT.unet,
      signal: AbortSignal.abort(reason),
    });
    await expect(writing).rejects.toBe(reason);
    expect(await readdir(temporary("aborted"))).toEqual([]);
  });

  it("are hashed once, and again when a file changes", async () => {
    const cacheFolder = temporary("cache-once");
    await cp(temporary("flat"), temporary("changing"), { recursive: true });
    const openAgain = async (): Promise<string> => {
      await using model = await openModelFolder(temporary("changing"), { cacheFolder });
      return model.hash;
    };
    const first = await openAgain();
    const notes = await readdir(`${cacheFolder}/hashes`);
    expect(notes).toHaveLength(3);
    // A remembered hash is believed as long as path, size and time stay as they were.
    for (const note of notes) {
      const path = `${cacheFolder}/hashes/${note}`;
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace(/"sha256":"[0-9a-f]{8}/, '"sha256":"00000000'));
    }
    const believed = await openAgain();
    expect(believed).not.toBe(first);
    const later = new Date(Date.now() + 5000);
    for (const file of [
      "latentsync_unet.pt",
      "whisper/tiny.pt",
      "vae/diffusion_pytorch_model.safetensors",
    ]) {
      await utimes(temporary("changing", file), later, later);
    }
    expect(await openAgain()).toBe(first);
  });
});

describe("writing", () => {
  it.skipIf(!existsSync("/dev/full"))(
    "tells a full disk as such (skipped where there is no /dev/full)",
    async () => {
      await using handle = await open("/dev/full", "w");
      const error = await new FileSink(handle)
        .write(Buffer.alloc(10))
        .catch((cause: unknown) => cause);
      expect(toFileError(error, "x.pt").code).toBe("disk_full");
    },
  );

  it("tells what is in the way", async () => {
    await writeFile(temporary("blocking"), "a file");
    const error = await rejection(
      writeSafetensors(temporary("blocking", "x"), { tensors: CONTENT.unet }),
    );
    expect(error.message).toContain("blocking");
  });
});

describe("random tensors", () => {
  it("depend on name and seed alone, and are of small variance", async () => {
    const table = new Map<string, readonly number[]>([
      ["a.weight", [64, 256]],
      ["b.weight", [64, 256]],
      ["norm.weight", [512]],
    ]);
    const one = createRandomTensors(table, { seed: 5 });
    const reordered = createRandomTensors(new Map([...table].reverse()), { seed: 5 });
    const other = createRandomTensors(table, { seed: 6 });
    const values = await one.readFloat32("a.weight");
    expect(await reordered.readFloat32("a.weight")).toEqual(values);
    expect(await other.readFloat32("a.weight")).not.toEqual(values);
    expect(await one.readFloat32("b.weight")).not.toEqual(values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(variance).toBeGreaterThan(0.0009);
    expect(variance).toBeLessThan(0.002);
    const gains = await one.readFloat32("norm.weight");
    expect(Math.min(...gains)).toBeGreaterThan(0.89);
    expect((await rejection(one.readFloat32("c"))).code).toBe("invalid_model");
  });
});

describe("memory", () => {
  it("stays small while tensors of a large file are read one at a time", async () => {
    const path = temporary("large.safetensors");
    const count = 125;
    const bytes = 4 * 1024 * 1024;
    const header = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `t${index}`,
        { dtype: "F32", shape: [1024, 1024], data_offsets: [index * bytes, (index + 1) * bytes] },
      ]),
    );
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([length, text]));
    // The data is a hole: half a gigabyte to read that takes no disk.
    await truncate(path, 8 + text.length + count * bytes);
    await using source = await openSafetensors(path);
    const before = process.memoryUsage().rss;
    let peak = before;
    for (const name of source.entries.keys()) {
      expect((await source.readFloat32(name))[12_345]).toBe(0);
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(peak - before).toBeLessThan(200 * 1024 * 1024);
  });

  it("stays small while a torch checkpoint is written and read", async () => {
    const path = temporary("large.pt");
    const table = new Map(
      Array.from({ length: 32 }, (_, index) => [`t${index}`, [1024, 1024]] as const),
    );
    const before = process.memoryUsage().rss;
    let peak = before;
    const tensors = createRandomTensors(table);
    const sample = (): void => {
      peak = Math.max(peak, process.memoryUsage().rss);
    };
    await writeTorchCheckpoint(path, {
      values: {},
      tensorsKey: "t",
      tensors: {
        ...tensors,
        readFloat32: (name) => {
          sample();
          return tensors.readFloat32(name);
        },
      },
    });
    await using checkpoint = await openTorchCheckpoint(path);
    for (const name of checkpoint.entries.keys()) {
      await checkpoint.readFloat32(name);
      sample();
    }
    expect(peak - before).toBeLessThan(100 * 1024 * 1024);
  });
});

describe.skipIf(!hasReference)(referenceTitle("model/"), () => {
  it("is a model folder", async () => {
    await using model = await openModelFolder(reference("model"), {
      cacheFolder: temporary("cache"),
    });
    expect([model.unet.entries.size, model.vae.entries.size, model.whisper.entries.size]).toEqual([
      1244, 244, 95,
    ]);
    expect(model.whisperDims.nAudioState).toBe(model.unetConfig.model.crossAttentionDim);
    expect(describeCheckpoint(model.unet.entries)).toContain("LatentSync 1.5 or 1.6");
    expect(describeCheckpoint(model.vae.entries)).toContain("VAE");
  });
});
