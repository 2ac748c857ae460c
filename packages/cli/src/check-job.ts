/** What can be told of a job before a model is loaded for it. */
import { openSigner } from "./c2pa-signature.ts";
import { checkFiles, checkInputFile, checkOutputFile } from "./check-files.ts";
import type { InferFlags } from "./infer-job.ts";
import { timesOf } from "./time-options.ts";

/**
 * Checks times, files and credentials.
 * @throws LatentSyncError as {@link timesOf}, {@link checkFiles} and {@link openSigner}.
 */
export async function checkJob(flags: InferFlags): Promise<void> {
  timesOf(flags);
  await checkFiles(flags);
  const { face, landmarks, unetConfig, unetCheckpoint, manifest } = flags;
  const picture = face?.kind === "picture" ? face.path : undefined;
  for (const path of [picture, landmarks, unetConfig, unetCheckpoint]) {
    if (path !== undefined) await checkInputFile(path);
  }
  if (manifest !== undefined) await checkOutputFile(manifest);
  await openSigner(flags, flags.out);
}
