import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a model is called, and under which licence its weights are. */
export interface ModelIdentity {
  readonly name: string;
  readonly licence: string;
}

/** Name and licence in the `manifest.json` of a model's folder; undefined if it states none. */
export async function readFolderIdentity(folder: string): Promise<ModelIdentity | undefined> {
  let manifest: unknown;
  try {
    manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  } catch {
    // None, or one of some other program.
    return undefined;
  }
  if (typeof manifest !== "object" || manifest === null) return undefined;
  const { name, licence } = manifest as Partial<Record<keyof ModelIdentity, unknown>>;
  return typeof name === "string" && typeof licence === "string" ? { name, licence } : undefined;
}
