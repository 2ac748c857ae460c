/** A folder of finished graphs, for machines that should neither convert nor hold the checkpoint. */
import { readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type GraphRequest,
  type GraphVariant,
  type GraphSource,
  LatentSyncError,
  type LatentSyncModel,
  type ModelInfo,
} from "@ls/core";
import { systemCode, toFileError, writeAtomically } from "@ls/files";
import type { ModelCheckpoint } from "../checkpoint/model-checkpoint.ts";
import { writeGraphs } from "../graph/index.ts";
import type { GraphProgress } from "./checkpoint-model.ts";
import { buildGroup, GRAPH_GROUPS, graphFileName, groupOf } from "./network-graphs.ts";

/** Marks a converted folder, and says what is in it. */
const MANIFEST = "latentsync.json";
const FORMAT_VERSION = 1;

interface Manifest {
  readonly formatVersion: number;
  readonly info: ModelInfo;
  readonly variants: readonly GraphVariant[];
}

function variantFolder({ profile, precision }: GraphVariant): string {
  return `${profile}-${precision}`;
}

export class ConvertedModel implements LatentSyncModel, AsyncDisposable {
  readonly info: ModelInfo;
  readonly variants: readonly GraphVariant[];
  readonly #folder: string;

  constructor(folder: string, manifest: Manifest) {
    this.info = manifest.info;
    this.#folder = folder;
    this.variants = manifest.variants;
  }

  async graph({ kind, profile, precision }: GraphRequest): Promise<GraphSource> {
    const variant = this.variants.find(
      (candidate) => candidate.profile === profile && candidate.precision === precision,
    );
    if (variant === undefined) {
      const known = this.variants.map(variantFolder).join(", ");
      throw new LatentSyncError(
        "invalid_model",
        `${this.#folder} was converted for ${known}, not for ${variantFolder({ profile, precision })}.`,
        { hint: "Convert the checkpoint again for this runtime, or choose another --runtime." },
      );
    }
    const path = join(this.#folder, variantFolder(variant), groupOf(kind), graphFileName(kind));
    await stat(path).catch((error: unknown) => {
      throw new LatentSyncError("invalid_model", `The converted model lacks ${path}.`, {
        cause: error,
        hint: "Convert the checkpoint again.",
      });
    });
    return { path };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The converted model in `folder`, or `undefined` if it is something else. */
export async function openConvertedModel(folder: string): Promise<ConvertedModel | undefined> {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw toFileError(error, path);
  }
  return new ConvertedModel(folder, parseManifest(text, path));
}

function parseManifest(text: string, path: string): Manifest {
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(text) as Partial<Manifest> | null;
  } catch (error) {
    throw new LatentSyncError("invalid_model", `${path} is not JSON.`, {
      cause: error,
      hint: "Convert the checkpoint again.",
    });
  }
  const { formatVersion, info, variants } = manifest ?? {};
  if (formatVersion !== FORMAT_VERSION || info === undefined || !Array.isArray(variants)) {
    throw new LatentSyncError(
      "invalid_model",
      `${path} is not a converted model of format ${FORMAT_VERSION} (found ${String(formatVersion)}).`,
      { hint: "Convert the checkpoint again with this version." },
    );
  }
  return { formatVersion, info, variants };
}

export interface ConvertOptions {
  readonly checkpoint: ModelCheckpoint;
  readonly info: ModelInfo;
  /** Where the graphs go; it may hold other variants of the same model. */
  readonly folder: string;
  readonly variant: GraphVariant;
  readonly onProgress?: GraphProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes all graphs of a checkpoint into a folder. They are built beside their place and the
 * manifest comes last, so that a folder is either whole or as it was.
 * @throws LatentSyncError `disk_full`, `io` or `invalid_model`; the signal's reason.
 */
export async function convertModel(options: ConvertOptions): Promise<void> {
  const { checkpoint, info, folder, variant, onProgress, signal } = options;
  const others = await otherVariants(folder, info, variant);
  const finished = join(folder, variantFolder(variant));
  const unfinished = `${finished}.${process.pid}.tmp`;
  try {
    for (const group of GRAPH_GROUPS) {
      await writeGraphs({
        graphs: buildGroup(group, checkpoint, info, variant),
        directory: join(unfinished, group),
        dataFileName: `${group}.onnx.data`,
        ...(signal === undefined ? {} : { signal }),
        onProgress: (written, total) => onProgress?.(group, written, total),
      });
    }
    await replaceFolder(unfinished, finished);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  const variants = [...others, variant];
  const manifest: Manifest = { formatVersion: FORMAT_VERSION, info, variants };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeAtomically(join(folder, MANIFEST), (sink) => sink.write(Buffer.from(text)));
}

async function replaceFolder(from: string, to: string): Promise<void> {
  try {
    await rm(to, { recursive: true, force: true });
    await rename(from, to);
  } catch (error) {
    throw toFileError(error, to);
  }
}

/** Variants that are in the folder already. @throws LatentSyncError if they are of another model. */
async function otherVariants(
  folder: string,
  info: ModelInfo,
  variant: GraphVariant,
): Promise<GraphVariant[]> {
  const existing = await openConvertedModel(folder);
  if (existing === undefined) return [];
  if (existing.info.hash !== info.hash) {
    throw new LatentSyncError(
      "invalid_argument",
      `${folder} already holds another converted model, ${existing.info.name}.`,
      { hint: "Convert into an empty folder." },
    );
  }
  return existing.variants.filter((other) => variantFolder(other) !== variantFolder(variant));
}
