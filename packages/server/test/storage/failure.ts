import { LatentSyncError } from "@ls/core";

/** The error that a promise is expected to end with. */
export async function failure(work: Promise<unknown>): Promise<LatentSyncError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error(`Not refused as it should be: ${String(error)}`);
  return error;
}
