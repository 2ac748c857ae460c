import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkFiles, type JobFiles } from "../src/check-files.ts";
import { load, type LoadedEngine } from "../src/load.ts";
import { BAD_CASES, type GoodFiles, LINKS } from "./media/bad-files.ts";
import { writeShortClip } from "./media/short-clip.ts";

let folder: string;
let good: GoodFiles;
let files: JobFiles;
let engine: LoadedEngine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-bad-"));
  const { video, audio } = await writeShortClip(join(folder, "clip"));
  good = { video: await readFile(video), speech: await readFile(audio) };
  files = { video, audio, out: join(folder, "out.mp4") };
  engine = await load({ model: "latentsync-demo", runtime: "cpu", threads: 1 });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function errorOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Checks the files as the command does, and then runs the job if that lets it through. */
async function attempt(job: JobFiles): Promise<unknown> {
  const early = await errorOf(checkFiles(job));
  if (early !== undefined) return early;
  const { video, audio, out: output } = job;
  return errorOf(drain(engine.run({ video, audio, output, inferenceSteps: 1 })));
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

describe("what cannot be used", () => {
  it.each(BAD_CASES.map((one) => [`${one.name} as ${one.role}`, one] as const))(
    "%s",
    async (_, { role, make, codes }) => {
      const place = await mkdtemp(join(folder, "case-"));
      const path = await make(place, good);
      const before = await readdir(folder, { recursive: true });
      const error = await attempt({ ...files, [role]: path });
      expect(error).toSatisfy(LatentSyncError.is);
      const { code, message, hint } = error as LatentSyncError;
      expect({ code, message }).toEqual({
        code: expect.toBeOneOf([...codes]) as unknown,
        message: expect.stringMatching(/^.{10,}$/su) as unknown,
      });
      expect(hint).toBeDefined();
      expect(await readdir(folder, { recursive: true })).toEqual(before);
    },
  );

  it.each(LINKS)("an output that is an input by %s", async (_, make) => {
    const place = await mkdtemp(join(folder, "link-"));
    await make(files.video, join(place, "o.mp4"));
    const error = await attempt({ ...files, out: join(place, "o.mp4") });
    expect(error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("is also the video input") as unknown,
    });
    expect((await readFile(files.video)).equals(good.video)).toBe(true);
  });
});

describe("names that are only strange", () => {
  it.each(["a b.mp4", "a 'b\".mp4", "-i.mp4", "é 視 🎬.mp4", "a\nb.mp4", "%03d.mp4", "a:b.mp4"])(
    "%j is taken",
    async (name) => {
      const place = join(folder, "names");
      await mkdir(place, { recursive: true });
      await writeFile(join(place, name), good.video);
      const job = { video: join(place, name), audio: files.audio, out: join(place, `o-${name}`) };
      expect(await errorOf(checkFiles(job))).toBeUndefined();
      // The text is refused behind the video, which was therefore opened.
      await writeFile(join(place, "text.wav"), "text\n".repeat(100));
      const error = await attempt({ ...job, audio: join(place, "text.wav") });
      expect(error).toMatchObject({ message: expect.stringContaining("text.wav") as unknown });
    },
  );
});
