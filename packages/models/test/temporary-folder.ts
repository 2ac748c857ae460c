import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { afterAll, beforeAll, expect } from "vitest";

/** A folder for the tests of a file, removed after them. */
export function useTemporaryFolder(): (...segments: string[]) => string {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "ls-models-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return (...segments) => join(folder, ...segments);
}

/** The LatentSyncError that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<LatentSyncError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) throw new Error("nothing was thrown");
  expect(outcome.error).toSatisfy(LatentSyncError.is);
  return outcome.error as LatentSyncError;
}

/** The LatentSyncError that a function throws. */
export function thrown(action: () => unknown): LatentSyncError {
  let error: unknown;
  try {
    action();
  } catch (caught) {
    error = caught;
  }
  expect(error).toSatisfy(LatentSyncError.is);
  return error as LatentSyncError;
}
