/** The hashes of a model's files, for manifests. */
import { demoModelFolder, readDemoModelManifest } from "@ls/demo-model";
import { hashModelFiles, type ModelReference } from "@ls/models";

/**
 * SHA-256 of each of a model's files by name. The bundled model brings its hashes; those of others
 * are computed once and remembered.
 */
export async function modelHashes(
  reference: ModelReference,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  if (reference !== demoModelFolder()) return hashModelFiles(reference, { signal });
  const { files } = await readDemoModelManifest({ signal });
  return Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256]));
}
