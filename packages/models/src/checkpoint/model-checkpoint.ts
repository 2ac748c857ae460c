import { createHash } from "node:crypto";
import { LatentSyncError, type NoiseScheduleConfig, Resources } from "@ls/core";
import { hashFile } from "@ls/files";
import { openDiffusersFolder } from "./diffusers-folder.ts";
import { readTextFile } from "./json-file.ts";
import { findModelFiles, type ModelFiles, type ModelLocation } from "./model-files.ts";
import { parseNoiseSchedule } from "./noise-schedule.ts";
import { publishedNoiseSchedule } from "./published-configs.ts";
import type { TensorSource } from "./tensor-source.ts";
import { openTorchCheckpoint } from "./torch-checkpoint.ts";
import { parseUNetConfig, type UNetConfig } from "./unet-config.ts";
import { parseVaeConfig, type VaeConfig } from "./vae-config.ts";
import { parseWhisperDims, type WhisperDims } from "./whisper-dims.ts";

/** A model whose files are open; disposing it closes them. */
export interface ModelCheckpoint extends AsyncDisposable {
  readonly unetConfig: UNetConfig;
  readonly unet: TensorSource;
  readonly vaeConfig: VaeConfig;
  readonly vae: TensorSource;
  readonly whisperDims: WhisperDims;
  /** The encoder's tensors (`encoder.`) and, in published files, the decoder's (`decoder.`). */
  readonly whisper: TensorSource;
  readonly scheduler: NoiseScheduleConfig;
  /** SHA-256 over configurations and weights, in hexadecimal; the same wherever the files lie. */
  readonly hash: string;
  readonly files: ModelFiles;
}

export interface OpenModelOptions {
  /** The cache folder, where hashes of large files are remembered; the default one if not given. */
  readonly cacheFolder?: string;
  readonly signal?: AbortSignal;
}

/** The UNet's tensors: under `state_dict` as the official trainer saves them, or bare. */
async function openUNet(path: string, resources: Resources): Promise<TensorSource> {
  const checkpoint = resources.use(await openTorchCheckpoint(path));
  return checkpoint.entries.has("conv_in.weight") ? checkpoint : checkpoint.select("state_dict");
}

interface OpenWhisper {
  readonly path: string;
  readonly dims: WhisperDims;
  readonly tensors: TensorSource;
}

async function openWhisper(
  paths: readonly string[],
  width: number,
  resources: Resources,
): Promise<OpenWhisper> {
  const found: string[] = [];
  for (const path of paths) {
    const checkpoint = await openTorchCheckpoint(path);
    let isTaken = false;
    try {
      const dims = parseWhisperDims(checkpoint.metadata["dims"], path);
      found.push(`${path} is ${dims.nAudioState} wide`);
      if (dims.nAudioState !== width) continue;
      const tensors = checkpoint.select("model_state_dict");
      isTaken = true;
      resources.use(checkpoint);
      return { path, dims, tensors };
    } finally {
      if (!isTaken) await checkpoint[Symbol.asyncDispose]();
    }
  }
  throw new LatentSyncError(
    "invalid_model",
    `The UNet's cross_attention_dim is ${width}, but the Whisper checkpoint ${found.join(" and ")}.`,
    { hint: "Use whisper/tiny.pt for a width of 384 and whisper/small.pt for 768." },
  );
}

/** JSON with sorted keys: the same settings give the same text. */
function canonicalJson(value: object): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** Identity of the model: settings by what they say, weights by their bytes, in a fixed order. */
async function hashModel(
  settings: object,
  weightPaths: readonly string[],
  options: OpenModelOptions,
): Promise<string> {
  const { cacheFolder, signal } = options;
  const identity = createHash("sha256").update(`${canonicalJson(settings)}\n`);
  for (const path of weightPaths) {
    const sha256 = await hashFile(path, {
      ...(cacheFolder === undefined ? {} : { folder: cacheFolder }),
      ...(signal === undefined ? {} : { signal }),
    });
    identity.update(`${sha256}\n`);
  }
  return identity.digest("hex");
}

async function openParts(
  files: ModelFiles,
  resources: Resources,
  options: OpenModelOptions,
): Promise<ModelCheckpoint> {
  const { signal } = options;
  signal?.throwIfAborted();
  const unetConfig =
    typeof files.unetConfig === "string"
      ? parseUNetConfig(await readTextFile(files.unetConfig), files.unetConfig)
      : files.unetConfig;
  const unet = await openUNet(files.unetPath, resources);
  const vae = await openDiffusersFolder(files.vaeFolder);
  resources.use(vae.tensors);
  const width = unetConfig.model.crossAttentionDim;
  const whisper = await openWhisper(files.whisperPaths, width, resources);
  const scheduler =
    files.schedulerPath === undefined
      ? publishedNoiseSchedule
      : parseNoiseSchedule(await readTextFile(files.schedulerPath), files.schedulerPath);
  const vaeConfig = parseVaeConfig(vae.config, vae.configPath);
  const settings = { unetConfig, vaeConfig, scheduler };
  const weightPaths = [files.unetPath, ...vae.files.slice(1), whisper.path];
  return {
    unetConfig,
    unet,
    vaeConfig,
    vae: vae.tensors,
    whisperDims: whisper.dims,
    whisper: whisper.tensors,
    scheduler,
    hash: await hashModel(settings, weightPaths, options),
    files,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

/**
 * Opens a model's files. Weights stay on disk until read.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`; the signal's reason on abort.
 */
export async function openModelFiles(
  files: ModelFiles,
  options: OpenModelOptions = {},
): Promise<ModelCheckpoint> {
  const resources = new Resources();
  try {
    return await openParts(files, resources, options);
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Finds and opens a model; see {@link findModelFiles} for the layouts.
 * @param location a folder's path, or the paths that the official command line names.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`; the signal's reason on abort.
 */
export async function openModelFolder(
  location: string | ModelLocation,
  options: OpenModelOptions = {},
): Promise<ModelCheckpoint> {
  const place = typeof location === "string" ? { folder: location } : location;
  return openModelFiles(await findModelFiles(place), options);
}
