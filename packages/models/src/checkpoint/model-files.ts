/** Finds the files of a model in the layouts that people have them in. */
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import { CachedRepository } from "../hub/hub-cache.ts";
import { DIFFUSERS_WEIGHTS, exists } from "./diffusers-folder.ts";
import type { UNetConfig } from "./unet-config.ts";

/** The files of a model; all paths absolute. */
export interface ModelFiles {
  /** A YAML file, or the configuration itself. */
  readonly unetConfig: string | UNetConfig;
  readonly unetPath: string;
  /** A diffusers folder. */
  readonly vaeFolder: string;
  /** Whisper checkpoints; the one as wide as the UNet's cross-attention is taken. */
  readonly whisperPaths: readonly string[];
  /** `scheduler_config.json`; the published settings if absent. */
  readonly schedulerPath?: string;
}

/** A model's folder, or the two files that the official command line names. */
export type ModelLocation =
  | { readonly folder: string }
  | { readonly unetConfigPath: string; readonly unetCheckpointPath: string };

const UNET = "latentsync_unet.pt";
const VAE_REPOSITORY = "stabilityai/sd-vae-ft-mse";
const VAE_FOLDERS = ["vae", "sd-vae-ft-mse", VAE_REPOSITORY];
const WHISPER_FILES = ["whisper/tiny.pt", "whisper/small.pt"];
/** The official script's own choice comes first; see {@link findUNetConfig}. */
const UNET_CONFIGS = ["stage2_512.yaml", "stage2.yaml", "stage2_efficient.yaml"];

async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await exists(path)) return path;
  return undefined;
}

async function allExisting(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) if (await exists(path)) found.push(path);
  return found;
}

function within(roots: readonly string[], names: readonly string[]): string[] {
  return roots.flatMap((root) => names.map((name) => join(root, name)));
}

async function isVae(folder: string): Promise<boolean> {
  if (!(await exists(join(folder, "config.json")))) return false;
  return (await firstExisting(within([folder], DIFFUSERS_WEIGHTS))) !== undefined;
}

async function findVae(roots: readonly string[]): Promise<string | undefined> {
  for (const folder of within(roots, VAE_FOLDERS)) if (await isVae(folder)) return folder;
  const config = await new CachedRepository(VAE_REPOSITORY).find("config.json");
  const folder = config === undefined ? undefined : dirname(config);
  return folder !== undefined && (await isVae(folder)) ? folder : undefined;
}

/**
 * `unet_config.yaml`, or one of `configs/unet`: the only one, or that of the official inference
 * script (`stage2_512.yaml`) where several are there.
 */
async function findUNetConfig(folder: string): Promise<string | undefined> {
  const direct = await firstExisting(
    within([folder, join(folder, "checkpoints")], ["unet_config.yaml", "unet_config.yml"]),
  );
  if (direct !== undefined) return direct;
  const official = join(folder, "configs", "unet");
  const names = await readdir(official).catch((): string[] => []);
  const files = names.filter((name) => /\.ya?ml$/.test(name));
  const name = UNET_CONFIGS.find((candidate) => files.includes(candidate)) ?? files[0];
  return name !== undefined && (files.length === 1 || UNET_CONFIGS.includes(name))
    ? join(official, name)
    : undefined;
}

interface Sought {
  readonly what: string;
  readonly expected: readonly string[];
}

function notFound(where: string, missing: readonly Sought[]): LatentSyncError {
  const lines = missing.map(
    ({ what, expected }) => `\n  ${what}: expected ${expected.join(" or ")}`,
  );
  return new LatentSyncError("not_found", `${where} lacks files of a model:${lines.join("")}`, {
    hint: "Complete the folder, or run: latentsync-ts models pull latentsync-1.6",
  });
}

async function findParts(
  where: string,
  roots: readonly string[],
  unet: { readonly config: string | undefined; readonly checkpoint: string | undefined },
): Promise<ModelFiles> {
  const vaeFolder = await findVae(roots);
  const whisperPaths = await allExisting(within(roots, WHISPER_FILES));
  const schedulers = within(roots, ["scheduler_config.json", "configs/scheduler_config.json"]);
  const schedulerPath = await firstExisting(schedulers);
  const missing: Sought[] = [];
  if (unet.config === undefined) {
    const expected = ["unet_config.yaml", `configs/unet/${UNET_CONFIGS[0] ?? ""}`];
    missing.push({ what: "the UNet's configuration", expected });
  }
  if (unet.checkpoint === undefined) {
    missing.push({ what: "the UNet's checkpoint", expected: [UNET, `checkpoints/${UNET}`] });
  }
  if (vaeFolder === undefined) {
    const expected = [
      "vae/config.json with weights beside it",
      `${VAE_REPOSITORY} in the Hugging Face cache`,
    ];
    missing.push({ what: "the VAE", expected });
  }
  if (whisperPaths.length === 0) missing.push({ what: "Whisper", expected: WHISPER_FILES });
  if (
    unet.config === undefined ||
    unet.checkpoint === undefined ||
    vaeFolder === undefined ||
    whisperPaths.length === 0
  ) {
    throw notFound(where, missing);
  }
  return {
    unetConfig: unet.config,
    unetPath: unet.checkpoint,
    vaeFolder,
    whisperPaths,
    ...(schedulerPath === undefined ? {} : { schedulerPath }),
  };
}

async function findInFolder(folder: string): Promise<ModelFiles> {
  const isFolder = await stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    throw new LatentSyncError("not_found", `${folder} is not a folder.`, {
      hint: "Give a model's folder or a published name such as latentsync-1.6.",
    });
  }
  const roots = [folder, join(folder, "checkpoints")];
  return findParts(folder, roots, {
    config: await findUNetConfig(folder),
    checkpoint: await firstExisting(within(roots, [UNET])),
  });
}

async function findBesideCheckpoint(config: string, checkpoint: string): Promise<ModelFiles> {
  for (const path of [config, checkpoint]) {
    if (await exists(path)) continue;
    throw new LatentSyncError("not_found", `${path} does not exist.`, {
      hint: "Check the paths of the UNet's configuration and checkpoint.",
    });
  }
  const folder = dirname(checkpoint);
  const parent = dirname(folder);
  const roots = [folder, parent, join(parent, "checkpoints")];
  return findParts(`The surroundings of ${checkpoint}`, roots, { config, checkpoint });
}

/**
 * Finds a model's files: a folder as the official repository has it (`checkpoints/`, `configs/`), a
 * flat one (`latentsync_unet.pt`, `unet_config.yaml`, `vae/`, `whisper/`), or beside a checkpoint
 * that is named. The VAE may also be in the Hugging Face cache, as the official script has it.
 * @throws LatentSyncError `not_found` that lists what is missing and where it was expected.
 */
export async function findModelFiles(location: ModelLocation): Promise<ModelFiles> {
  if ("folder" in location) return findInFolder(resolve(location.folder));
  const { unetConfigPath, unetCheckpointPath } = location;
  return findBesideCheckpoint(resolve(unetConfigPath), resolve(unetCheckpointPath));
}
