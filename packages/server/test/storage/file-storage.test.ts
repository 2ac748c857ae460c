import { randomUUID } from "node:crypto";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { createFileStorage } from "../../src/storage/file-storage.ts";
import { publishFile } from "../../src/storage/publish.ts";
import { temporaryFolder } from "./temporary-folder.ts";

it("what a process left that died while it wrote is removed after a while", async () => {
  await using owned = await temporaryFolder();
  const folder = owned.path;
  const [old, fresh] = [`.${randomUUID()}.part`, `.${randomUUID()}.part`];
  const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
  for (const name of [old, fresh, ".mine.part", "source"]) await writeFile(join(folder, name), "x");
  for (const name of [old, ".mine.part"]) await utimes(join(folder, name), hoursAgo, hoursAgo);
  const target = pathToFileURL(join(folder, "result.mp4"));
  const storage = createFileStorage({ roots: [folder] });
  await publishFile(storage, target, join(folder, "source"), { contentType: "video/mp4" });
  expect((await readdir(folder)).toSorted()).toEqual(
    [fresh, ".mine.part", "result.mp4", "source"].toSorted(),
  );
});
