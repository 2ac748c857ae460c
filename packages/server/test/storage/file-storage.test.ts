import { randomUUID } from "node:crypto";
import { mkdir, readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { createFileStorage } from "../../src/storage/file-storage.ts";
import { publishFile } from "../../src/storage/publish.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { failure } from "./failure.ts";
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

it("what is closed is refused, under any name, unless a root lies in it", async () => {
  await using owned = await temporaryFolder();
  const folder = owned.path;
  const own = join(folder, "own");
  await mkdir(join(own, "media"), { recursive: true });
  await symlink(own, join(folder, "link"));
  await writeFile(join(folder, "keys.json"), "[]");
  const source = join(folder, "source");
  for (const path of [source, join(own, "queue"), join(own, "media", "a")]) {
    await writeFile(path, "x");
  }
  const closed = [own, join(folder, "keys.json"), join(folder, "nothing")];
  const publish = (storage: Storage, path: string): Promise<unknown> =>
    publishFile(storage, pathToFileURL(path), source, { contentType: "video/mp4" });

  const storage = createFileStorage({ roots: [folder], closed });
  for (const name of [
    "own/queue",
    "own/new",
    "own/media/a",
    "link/queue",
    "link/new",
    "keys.json",
  ]) {
    const path = join(folder, name);
    expect((await failure(storage.open(pathToFileURL(path)))).code).toBe("forbidden");
    expect((await failure(publish(storage, path))).code).toBe("forbidden");
  }
  expect(() => storage.check?.(pathToFileURL(join(own, "queue")))).toThrow("outside");
  await publish(storage, join(folder, "own-but-not"));

  const within = createFileStorage({ roots: [join(own, "media")], closed });
  await publish(within, join(own, "media", "b"));
  expect((await failure(publish(within, join(own, "queue")))).code).toBe("forbidden");
});
