/** The secret that signs webhooks, where the operator has set none: made once, kept in the data folder. */
import { randomBytes, randomUUID } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export async function keptWebhookSecret(dataFolder: string): Promise<string> {
  const path = join(dataFolder, "webhook-secret");
  const fresh = `whsec_${randomBytes(32).toString("base64")}`;
  // Not by the process id, which is the same in every life of a container: what an earlier life has
  // left may be the secret itself, by another name.
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, fresh, { mode: 0o600, flush: true });
  try {
    // Of processes that start together one makes it, and all read that one.
    await link(temporary, path);
    return fresh;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    return (await readFile(path, "utf8")).trim();
  } finally {
    await rm(temporary, { force: true });
  }
}
