import { link, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keptWebhookSecret } from "../../src/service/webhook-secret.ts";
import { temporaryFolder } from "../storage/temporary-folder.ts";

describe("keptWebhookSecret", () => {
  it("makes one secret for all that ask, for this user's eyes alone", async () => {
    await using folder = await temporaryFolder();
    const secrets = await Promise.all(
      Array.from({ length: 8 }, () => keptWebhookSecret(folder.path)),
    );
    expect(secrets[0]).toMatch(/^whsec_[A-Za-z\d+/]{43}=$/);
    expect(new Set(secrets).size).toBe(1);
    expect(await keptWebhookSecret(folder.path)).toBe(secrets[0]);
    expect(await readdir(folder.path)).toEqual(["webhook-secret"]);
    const { mode } = await stat(join(folder.path, "webhook-secret"));
    if (process.platform !== "win32") expect(mode & 0o777).toBe(0o600);
  });

  it("keeps it after a death between its naming and the end of its making", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "webhook-secret");
    const secret = await keptWebhookSecret(folder.path);
    await link(path, `${path}.${process.pid}`);
    expect(await keptWebhookSecret(folder.path)).toBe(secret);
  });
});
