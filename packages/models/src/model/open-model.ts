/** Opens a model by whatever a user names it: a published name, a folder, or the official two files. */
import { basename, resolve } from "node:path";
import { type GraphVariant, LatentSyncError, type LatentSyncModel } from "@ls/core";
import { GraphCache } from "../cache/index.ts";
import { type ModelCheckpoint, openModelFiles } from "../checkpoint/model-checkpoint.ts";
import { findModelFiles, type ModelLocation } from "../checkpoint/model-files.ts";
import { findPulledModel, type ModelLicence } from "../hub/index.ts";
import { CheckpointModel, type GraphProgress } from "./checkpoint-model.ts";
import { convertModel, openConvertedModel } from "./converted-model.ts";
import { readFolderIdentity } from "./folder-identity.ts";
import { checkCheckpoint, describeModel } from "./model-info.ts";

/** A published name such as `latentsync-1.6`, `hf:owner/repository`, a folder, or the official files. */
export type ModelReference = string | ModelLocation;

export interface OpenModelSettings {
  /** Where graphs and hashes are kept; `cacheFolder()` if not given. */
  readonly cacheFolder?: string | undefined;
  readonly onProgress?: GraphProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type OpenedModel = LatentSyncModel & AsyncDisposable;

/** Licence of weights that lie in a user's own folder. */
const UNKNOWN_LICENCE = "as its owner says; LatentSync's published weights are openrail++";

/** Whether a reference is a name of the hub, not a path. */
export function isPublishedName(reference: string): boolean {
  return /^(latentsync-|hf:)/.test(reference);
}

interface NamedCheckpoint {
  readonly checkpoint: ModelCheckpoint;
  readonly name: string;
  readonly licence: string;
}

function joinLicences(licences: readonly ModelLicence[]): string {
  return licences.map(({ what, licence }) => `${what}: ${licence}`).join("; ");
}

async function openCheckpoint(
  reference: ModelReference,
  settings: OpenModelSettings,
): Promise<NamedCheckpoint> {
  const { cacheFolder, signal } = settings;
  const options = {
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
    ...(signal === undefined ? {} : { signal }),
  };
  if (typeof reference === "string" && isPublishedName(reference)) {
    const { files, licences, name } = await findPulledModel(reference);
    const checkpoint = await openModelFiles(files, options);
    return { checkpoint, name, licence: joinLicences(licences) };
  }
  const location = typeof reference === "string" ? { folder: reference } : reference;
  const files = await findModelFiles(location);
  const checkpoint = await openModelFiles(files, options);
  const path = "folder" in location ? location.folder : location.unetCheckpointPath;
  const identity = { name: basename(resolve(path)), licence: UNKNOWN_LICENCE };
  const stated = "folder" in location ? await readFolderIdentity(location.folder) : undefined;
  return { checkpoint, ...(stated ?? identity) };
}

/** A checkpoint that was checked against what its configuration needs. */
async function openChecked(
  reference: ModelReference,
  settings: OpenModelSettings,
): Promise<NamedCheckpoint> {
  const named = await openCheckpoint(reference, settings);
  try {
    checkCheckpoint(named.checkpoint);
    return named;
  } catch (error) {
    await named.checkpoint[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Opens a model. A checkpoint's tensors are checked now and read when a graph is first asked for.
 * @throws LatentSyncError `not_found` with what to do, `invalid_model` that lists what is wrong.
 */
export async function openModel(
  reference: ModelReference,
  settings: OpenModelSettings = {},
): Promise<OpenedModel> {
  if (typeof reference === "string" && !isPublishedName(reference)) {
    const converted = await openConvertedModel(reference);
    if (converted !== undefined) return converted;
  }
  const { checkpoint, name, licence } = await openChecked(reference, settings);
  const { cacheFolder, onProgress } = settings;
  return new CheckpointModel({
    checkpoint,
    info: describeModel(checkpoint, { name, licence }),
    cache: new GraphCache(cacheFolder === undefined ? {} : { folder: cacheFolder }),
    onProgress,
  });
}

/**
 * Converts a checkpoint to a folder of graphs that {@link openModel} opens.
 * @throws LatentSyncError as {@link openModel}, or `disk_full` and `io`.
 */
export async function convertCheckpoint(
  reference: ModelReference,
  folder: string,
  options: OpenModelSettings & { readonly variant: GraphVariant },
): Promise<void> {
  if (typeof reference === "string" && (await openConvertedModel(reference)) !== undefined) {
    throw new LatentSyncError("invalid_argument", `${reference} is a converted model already.`, {
      hint: "Give the checkpoint's folder.",
    });
  }
  const { checkpoint, name, licence } = await openChecked(reference, options);
  await using open = checkpoint;
  const info = describeModel(open, { name, licence });
  const { variant, onProgress, signal } = options;
  await convertModel({ checkpoint: open, info, folder, variant, onProgress, signal });
}
