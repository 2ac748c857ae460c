/** Whether the files that the service's model needs are there, for `/health`. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { demoModelFolder, readDemoModelManifest } from "@ls/demo-model";
import { listModelFiles, type ModelReference } from "@ls/models";
import type { WeightsCheck } from "@ls/server";

/** Checks each file's existence, and its size where that is known. Reads no weights. */
export async function checkWeights(reference: ModelReference): Promise<readonly WeightsCheck[]> {
  try {
    const files = await expectedFiles(reference);
    return await Promise.all(files.map(checkFile));
  } catch (error) {
    const isTold = LatentSyncError.is(error) && error.code === "not_found";
    const problem = isTold ? "A file of the model is missing." : "The model cannot be read.";
    return [{ name: "model", ok: false, problem }];
  }
}

interface ExpectedFile {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes?: number;
}

async function expectedFiles(reference: ModelReference): Promise<readonly ExpectedFile[]> {
  if (reference === demoModelFolder()) {
    const { files } = await readDemoModelManifest();
    return files.map(({ path, bytes }) => ({
      name: path,
      path: join(demoModelFolder(), path),
      sizeBytes: bytes,
    }));
  }
  return [...(await listModelFiles(reference))].map(([name, path]) => ({ name, path }));
}

async function checkFile({ name, path, sizeBytes }: ExpectedFile): Promise<WeightsCheck> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return { name, ok: false, problem: "It is missing." };
  const { size } = found;
  if (size === 0 || (sizeBytes !== undefined && size !== sizeBytes)) {
    return { name, ok: false, sizeBytes: size, problem: "It has the wrong size." };
  }
  return { name, ok: true, sizeBytes: size };
}
