/** A disk that is really full: a small one in memory, where this process may mount it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Harness } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "latentsync-small-disk-"));
const disk = join(folder, "data");
/** Programs of the system. */
const [mount, unmount] = ["mount", "umount"];

function mountSmallDisk(): boolean {
  mkdirSync(disk);
  try {
    execFileSync(mount, ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const mounted = mountSmallDisk();

afterAll(() => {
  if (mounted) execFileSync(unmount, [disk]);
  rmSync(folder, { recursive: true });
});

test.skipIf(!mounted)("a full disk (skipped where tmpfs cannot be mounted)", async () => {
  await using harness = await Harness.open({ folder });
  harness.start();
  const audio = harness.path("long.wav");
  await writeFile(audio, Buffer.alloc(2 ** 21));
  const tooLong = await harness.add({}, { audio });
  expect(await harness.finished(tooLong)).toMatchObject({
    status: "failed",
    attempts: 1,
    error: { code: "disk_full" },
  });
  await harness.clean();
  const next = await harness.add();
  expect((await harness.finished(next)).status).toBe("completed");
});
