/** Where the model lies, and what its manifest says of it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LatentSyncError } from "@ls/core";

/** A file of the model. */
export interface DemoModelFile {
  /** Relative to the model's folder, with `/` between folders. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the content, 64 hexadecimal digits in lower case. */
  readonly sha256: string;
}

/** `manifest.json` of the model's folder. */
export interface DemoModelManifest {
  readonly formatVersion: 1;
  readonly name: string;
  readonly description: string;
  /** SPDX identifier. */
  readonly licence: string;
  /** Every file of the model but the manifest itself. */
  readonly files: readonly DemoModelFile[];
  /** How the weights came about: recipe, seed, steps, figures. */
  readonly training: Readonly<Record<string, unknown>>;
}

/** Which copy of the model is meant. */
export interface DemoModelOptions {
  /** Default: {@link demoModelFolder}, the one inside this package. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

export const REINSTALL = "Install @ls/demo-model again: npm install --force @ls/demo-model";

/** Absolute path of the model, a folder in LatentSync's official layout. */
export function demoModelFolder(): string {
  return fileURLToPath(new URL("../model", import.meta.url));
}

/**
 * What the model's manifest says; the files themselves are not read.
 * @throws LatentSyncError `not_found` or `invalid_model`; the signal's reason on abort.
 */
export async function readDemoModelManifest(
  options: DemoModelOptions = {},
): Promise<DemoModelManifest> {
  const { folder = demoModelFolder(), signal } = options;
  const path = join(folder, "manifest.json");
  let text: string;
  try {
    text = await readFile(path, { encoding: "utf8", ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    throw new LatentSyncError("not_found", `The demo model's ${path} cannot be read.`, {
      cause: error,
      hint: REINSTALL,
    });
  }
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw damaged(path, "is not JSON", error);
  }
  if (!isManifest(manifest)) throw damaged(path, "is not a manifest of format version 1");
  return manifest;
}

function damaged(path: string, what: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_model", `The demo model's ${path} ${what}.`, {
    cause,
    hint: REINSTALL,
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isManifest(value: unknown): value is DemoModelManifest {
  return (
    isRecord(value) &&
    value["formatVersion"] === 1 &&
    [value["name"], value["description"], value["licence"]].every(
      (text) => typeof text === "string" && text !== "",
    ) &&
    Array.isArray(value["files"]) &&
    value["files"].length > 0 &&
    value["files"].every(isFile) &&
    isRecord(value["training"])
  );
}

function isFile(value: unknown): value is DemoModelFile {
  return (
    isRecord(value) &&
    typeof value["path"] === "string" &&
    // Relative and within the folder.
    /^(?!\.*\/)(?!.*\.\.)[\w./-]+$/.test(value["path"]) &&
    Number.isSafeInteger(value["bytes"]) &&
    typeof value["sha256"] === "string" &&
    /^[0-9a-f]{64}$/.test(value["sha256"])
  );
}
