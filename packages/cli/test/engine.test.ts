import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LipSyncEvent } from "@ls/core";
import { demoModelFolder, readDemoModelManifest } from "@ls/demo-model";
import { hashModelFiles } from "@ls/models";
import type { Engine, EngineRequest } from "@ls/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDemoClip, writeDemoClip } from "../src/demo/demo-clip.ts";
import { load } from "../src/load.ts";
import { createEngine } from "../src/service/engine.ts";

const OPTIONS = { model: "latentsync-demo", runtime: "cpu", threads: 1 } as const;
const SETTINGS = { inferenceSteps: 1, guidanceScale: 2, seed: 11 } as const;
/** 1 s of speech is 27 frames: two chunks. */
const CHUNKS = 2;

let folder: string;
let inputs: { readonly videoPath: string; readonly audioPath: string };
/** What `load().run` makes of them. */
let expected: Buffer;

function openEngine(options: Readonly<Record<string, unknown>> = OPTIONS): Promise<Engine> {
  return createEngine(options, { signal: new AbortController().signal });
}

function request(more: Partial<EngineRequest> = {}): EngineRequest {
  return {
    ...inputs,
    ...SETTINGS,
    footage: {},
    outputPath: join(folder, "output.mp4"),
    segmentsFolder: join(folder, "segments"),
    signal: new AbortController().signal,
    ...more,
  };
}

async function collect(events: AsyncIterable<LipSyncEvent>): Promise<LipSyncEvent[]> {
  const collected: LipSyncEvent[] = [];
  for await (const event of events) collected.push(event);
  return collected;
}

/** Chunks that were denoised, not restored. */
function denoised(events: readonly LipSyncEvent[]): ReadonlySet<number> {
  const steps = events.filter((event) => event.type === "step");
  return new Set(steps.filter(({ restored }) => restored !== true).map(({ chunk }) => chunk));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-engine-"));
  const [video, speech] = [join(folder, "face.mp4"), join(folder, "speech.wav")];
  const clip = createDemoClip({ text: "Bring my map, Tom.", seconds: 1, seed: 2 });
  await writeDemoClip(clip, { video, speech }, new AbortController().signal);
  inputs = { videoPath: video, audioPath: speech };
  const output = join(folder, "expected.mp4");
  await using engine = await load(OPTIONS);
  await collect(engine.run({ video, audio: speech, output, ...SETTINGS }));
  expected = await readFile(output);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the service's engine", () => {
  it("goes on where another process was stopped, to what infer writes, byte for byte", async () => {
    const stop = new AbortController();
    const interrupted = request({ signal: stop.signal });
    {
      await using engine = await openEngine();
      await expect(async () => {
        for await (const event of engine.run(interrupted)) {
          if (event.type === "chunk" && event.chunk === 1) stop.abort(new Error("stopped"));
        }
      }).rejects.toThrow("stopped");
    }
    expect(await readdir(interrupted.segmentsFolder)).toHaveLength(1);
    await expect(stat(interrupted.outputPath)).rejects.toThrow();

    await using engine = await openEngine();
    const again = request();
    const events = await collect(engine.run(again));
    expect(denoised(events)).toEqual(new Set([1]));
    expect(events.at(-1)).toMatchObject({
      type: "done",
      result: { output: again.outputPath, frames: 27, framesWithoutFace: 0 },
    });
    expect((await readFile(again.outputPath)).equals(expected)).toBe(true);
    expect(await readdir(again.segmentsFolder)).toHaveLength(CHUNKS);

    // Segments of another request are of no use.
    for await (const event of engine.run({ ...again, footage: { silence: "keep" } })) {
      if (event.type !== "chunk") continue;
      expect(event.restored).toBeUndefined();
      break;
    }
  });

  it("describes software, model and hardware for manifests", async () => {
    await using engine = await openEngine();
    const { files } = await readDemoModelManifest();
    const hashes = Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256]));
    expect(engine.description).toEqual({
      software: { name: "latentsync-ts", version: expect.stringMatching(/^\d+\.\d+\./) as unknown },
      model: { name: "latentsync-demo", files: hashes },
      runtime: {
        name: "cpu",
        hardware: expect.stringMatching(/, \d+ cores$/) as unknown,
        precision: "float32",
      },
      notices: [],
    });
    // A folder of the user's own is hashed file by file, under the same names.
    expect(await hashModelFiles(demoModelFolder())).toEqual(hashes);
  });

  it.each([
    [{ modle: "x" }, /no option "modle"/],
    [{ toString: 1 }, /no option "toString"/],
    [{ runtime: "tpu" }, /runtime must be one of auto, cpu/],
    [{ threads: 0 }, /threads must be a whole number from 1 to 1024, but is 0/],
    [{ deepCacheInterval: 0 }, /deepCacheInterval must be a whole number from 1/],
    [{ model: "" }, /model must be text/],
  ])("refuses %o", async (options, message) => {
    await expect(openEngine(options)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(message) as unknown,
    });
  });
});
