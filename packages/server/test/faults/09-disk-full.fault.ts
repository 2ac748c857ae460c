/** Row 9: the disk of the data folder, with the queue on it, is full. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { speech } from "./fault-engine.ts";
import { record } from "./figures.ts";
import { Scene } from "./scene.ts";

/** The service wants 512 MiB free before it brings inputs in. */
const DISK_MIB = 530;
const MIB = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), "latentsync-full-disk-"));
const disk = join(folder, "disk");

function mountDisk(): string | undefined {
  mkdirSync(disk);
  try {
    const options = ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", disk];
    execFileSync("mount", options, { stdio: "ignore" });
    return undefined;
  } catch {
    return "tmpfs cannot be mounted here";
  }
}

const skip = mountDisk();

afterAll(() => {
  if (skip === undefined) execFileSync("umount", ["-l", disk]);
  rmSync(folder, { recursive: true });
});

test.skipIf(skip !== undefined)(
  `row 9 on sqlite${skip === undefined ? "" : `: ${skip}`}`,
  async () => {
    const [backend] = backends;
    if (backend === undefined) throw new Error("There is no queue.");
    await using scene = await Scene.open(backend);
    await using service = await scene.start({ dataFolder: join(disk, "data") });
    // Larger than the disk: full while the inputs come in.
    scene.bucket.set("long.wav", Buffer.concat([speech, randomBytes((DISK_MIB + 10) * MIB)]));
    const large = scene.request();
    const body = { ...large.body, audio_in: scene.bucket.url("long.wav") };
    expect((await service.create(body, large.id)).status).toBe(202);
    const inDownload = await service.finished(large.id);
    scene.bucket.set("long.wav", Buffer.alloc(0));
    await until("a clean folder", async () => (await service.leftovers()).length === 0);
    // Full while the engine writes its segments.
    const greedy = await scene.add(service, { rubbishBytes: (DISK_MIB + 10) * MIB });
    const inRun = await service.finished(greedy);
    await until("a clean folder", async () => (await service.leftovers()).length === 0);
    // Full before anything, to the last byte: not even the queue can write.
    const filler = join(disk, "filler");
    await writeFile(filler, randomBytes(DISK_MIB * MIB)).catch(() => undefined);
    const { bavail } = await statfs(disk);
    const { id, body: late } = scene.request();
    const refused = await service.create(late, id);
    const problem = (await refused.json()) as { readonly code?: string };
    const livez = (await fetch(`${service.url}/livez`)).status;
    await rm(filler);
    const next = await service.finished(await scene.add(service));
    await until("a clean folder", async () => (await service.leftovers()).length === 0);
    const figures = {
      diskMib: DISK_MIB,
      inDownload: inDownload.error_code ?? inDownload.status,
      inRun: inRun.error_code ?? inRun.status,
      freeBlocksWhenFull: bavail,
      creationWhenFull: `${refused.status} ${problem.code ?? ""}`.trim(),
      livezWhenFull: livez,
      nextJob: next.status,
      putsOfFailed: scene.putsOf(large.id) + scene.putsOf(greedy),
      leftovers: (await service.leftovers()).length,
    };
    const passed =
      figures.inDownload === "disk_full" &&
      figures.inRun === "disk_full" &&
      livez === 200 &&
      next.status === "completed" &&
      figures.putsOfFailed === 0;
    const title = "The disk is full: in the download, in the run, and before a creation";
    await record({ row: 9, title, backend: "sqlite", figures, passed });
    expect(passed).toBe(true);
  },
);
