import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { readTextFile } from "./json-file.ts";
import { openSafetensors, openShards, readShardIndex } from "./safetensors.ts";
import type { TensorEntry, TensorSource } from "./tensor-source.ts";
import { openTorchCheckpoint } from "./torch-checkpoint.ts";

/** A model folder as diffusers writes it. */
export interface DiffusersFolder {
  readonly configPath: string;
  /** Text of `config.json`. */
  readonly config: string;
  readonly tensors: TensorSource;
  /** All files that were opened, the configuration first. */
  readonly files: readonly string[];
}

const SAFETENSORS = "diffusion_pytorch_model.safetensors";
const TORCH = "diffusion_pytorch_model.bin";

/** Weight files that are looked for, the preferred one first. */
export const DIFFUSERS_WEIGHTS: readonly string[] = [
  SAFETENSORS,
  `${SAFETENSORS}.index.json`,
  TORCH,
  `${TORCH}.index.json`,
];

/** Whether a path exists and can be reached. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Names of attention tensors before diffusers 0.15, as `stabilityai/sd-vae-ft-mse` still has them. */
const OLD_ATTENTION: readonly (readonly [RegExp, string])[] = [
  [/(\.attentions\.\d+)\.query\.(weight|bias)$/, "$1.to_q.$2"],
  [/(\.attentions\.\d+)\.key\.(weight|bias)$/, "$1.to_k.$2"],
  [/(\.attentions\.\d+)\.value\.(weight|bias)$/, "$1.to_v.$2"],
  [/(\.attentions\.\d+)\.proj_attn\.(weight|bias)$/, "$1.to_out.0.$2"],
];

function currentName(name: string): string {
  for (const [pattern, replacement] of OLD_ATTENTION) {
    if (pattern.test(name)) return name.replace(pattern, replacement);
  }
  return name;
}

/**
 * The same tensors under the names that diffusers gives them today; attention weights that are
 * stored as 1x1 convolutions are read as the matrices they are.
 */
function withCurrentNames(source: TensorSource): TensorSource {
  const stored = new Map<string, string>();
  const entries = new Map<string, TensorEntry>();
  for (const [name, entry] of source.entries) {
    const current = currentName(name);
    const [rows, columns, height, width] = entry.shape;
    const isMatrix = height === 1 && width === 1 && current !== name;
    const shape = isMatrix ? [rows ?? 0, columns ?? 0] : entry.shape;
    stored.set(current, name);
    entries.set(current, { ...entry, name: current, shape });
  }
  return {
    entries,
    readFloat32: (name) => source.readFloat32(stored.get(name) ?? name),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

async function openWeights(path: string): Promise<TensorSource> {
  if (path.endsWith(".bin.index.json")) return openShards(path, openTorchCheckpoint);
  if (path.endsWith(".index.json")) return openShards(path);
  return path.endsWith(".bin") ? openTorchCheckpoint(path) : openSafetensors(path);
}

/**
 * Files of a diffusers folder, the configuration first.
 * @throws LatentSyncError `not_found` that says what was expected.
 */
async function listDiffusersFolder(folder: string): Promise<readonly string[]> {
  const isFolder = await stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  const configPath = join(folder, "config.json");
  const candidates = DIFFUSERS_WEIGHTS.map((name) => join(folder, name));
  let weights: string | undefined;
  for (const path of candidates) weights ??= (await exists(path)) ? path : undefined;
  if (!isFolder || weights === undefined || !(await exists(configPath))) {
    throw new LatentSyncError(
      "not_found",
      `${folder} is not a diffusers model: expected config.json and ${DIFFUSERS_WEIGHTS.join(" or ")} in it.`,
      { hint: "Download the whole folder, or run: latentsync-ts models pull latentsync-1.6" },
    );
  }
  if (!weights.endsWith(".index.json")) return [configPath, weights];
  const shards = new Set((await readShardIndex(weights)).values());
  return [configPath, weights, ...[...shards].sort().map((name) => join(folder, name))];
}

/**
 * Opens a diffusers folder: `config.json` and safetensors or `.bin` weights, sharded or not.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`.
 */
export async function openDiffusersFolder(folder: string): Promise<DiffusersFolder> {
  const files = await listDiffusersFolder(folder);
  const [configPath = "", weightsPath = ""] = files;
  const config = await readTextFile(configPath);
  return { configPath, config, tensors: withCurrentNames(await openWeights(weightsPath)), files };
}
