import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeSpeech } from "@ls/audio";
import { createFfmpegVideoSource } from "@ls/video";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runFuzz } from "./media/fuzz-campaign.ts";
import { mutantOf } from "./media/fuzz-mutants.ts";
import { writeSeeds } from "./media/fuzz-seeds.ts";

/** A small part of the campaign in `footage`, from the same files. */
const FILES = 60;
const CAMPAIGN = 1;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-fuzz-"));
  await mkdir(join(folder, "seeds"));
  await mkdir(join(folder, "work"));
  await writeSeeds(join(folder, "seeds"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("damaged media are read or refused with a typed error", async () => {
  const report = await runFuzz({
    seedFolder: join(folder, "seeds"),
    workFolder: join(folder, "work"),
    campaign: CAMPAIGN,
    files: FILES,
    filesPerProcess: FILES,
    limitSeconds: 120,
    limitMib: 1024,
  });
  expect(report.failures).toEqual([]);
  expect(report.files).toBe(FILES);
  expect(report.video["read"]).toBeGreaterThan(0);
  expect(report.video["invalid_media"]).toBeGreaterThan(0);
  expect(report.speech["read"]).toBeGreaterThan(0);
  expect(report.peakMib).toBeLessThan(1024);
});

it("the files that are damaged are the same bytes each time they are made", async () => {
  const [first, second] = [join(folder, "seeds"), join(folder, "again")];
  await mkdir(second);
  const names = await writeSeeds(second);
  expect(await readdir(first)).toEqual(await readdir(second));
  const different: string[] = [];
  for (const name of names) {
    expect([name, await isRead(join(first, name))]).toEqual([name, true]);
    const [one, other] = [await readFile(join(first, name)), await readFile(join(second, name))];
    if (!one.equals(other)) different.push(name);
  }
  expect(different).toEqual([]);
});

it("damage is the same for the same numbers, and other for others", () => {
  const seeds = ["a", "b"].map((name) => ({ name, bytes: Buffer.alloc(4000, name) }));
  const bytes = (campaign: number, index: number): string =>
    mutantOf(seeds, campaign, index).bytes.toString("hex");
  expect(bytes(1, 4)).toBe(bytes(1, 4));
  const different = new Set([0, 2, 4, 6, 8].map((index) => bytes(1, index)));
  expect(different.size).toBe(5);
  expect(bytes(2, 4)).not.toBe(bytes(1, 4));
});

/** Whether it can be used as video or as speech. */
async function isRead(path: string): Promise<boolean> {
  const video = createFfmpegVideoSource().open(path);
  const isVideo = await video.then(
    async (reader) => reader[Symbol.asyncDispose]().then(() => true),
    () => false,
  );
  if (isVideo) return true;
  let samples = 0;
  for await (const block of decodeSpeech(path)) samples += block.length;
  return samples > 4000;
}
