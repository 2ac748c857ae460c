import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Resources } from "@ls/core";

/**
 * Calls `create` with a new folder. The folder is one of the `resources`, which belong to what
 * `create` returns, and which are put away if it fails.
 */
export async function inTemporaryFolder<T>(
  create: (folder: string, resources: Resources) => Promise<T>,
): Promise<T> {
  const resources = new Resources();
  try {
    const folder = await mkdtemp(join(tmpdir(), "latentsync-benchmark-"));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    return await create(folder, resources);
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}
