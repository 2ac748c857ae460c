/** The client of bash and curl, against the whole service with an engine that only pretends. */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backends } from "../faults/backends.ts";
import { resultOf, speech, videoOf } from "../faults/fault-engine.ts";
import { Scene } from "../faults/scene.ts";
import type { ServiceHandle } from "../faults/service-handle.ts";
import { findProgram } from "../servers/process.ts";

const CLIENT = join(import.meta.dirname, "../../../../examples/curl/run-job.sh");
const missing = ["bash", "curl"].find((name) => findProgram(name) === undefined);

let scene: Scene;
let service: ServiceHandle;
/** An allowed folder, with the inputs. */
let media: string;
let expected: Buffer;

async function runJob(
  args: readonly [string, string, string],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const env = { ...process.env, LATENTSYNC_URL: service.url, INFERENCE_STEPS: "3", ...environment };
  return (await promisify(execFile)("bash", [CLIENT, ...args], { env })).stdout;
}

/** What it prints of a job that went well. */
function expectSuccess(output: string, out: string): void {
  expect(output).toMatch(/^202 job [\da-f-]{36}\n/);
  expect(output).toMatch(/INFO {2}processing, attempt 1\n/);
  expect(output).toMatch(/INFO {2}published the result/);
  expect(output).toContain(`\ncompleted ${out}\n`);
}

describe.skipIf(missing !== undefined)(`run-job.sh${missing ? ` (no ${missing})` : ""}`, () => {
  beforeAll(async () => {
    scene = await Scene.open(backends.find(({ name }) => name === "sqlite")!);
    media = join(scene.folder, "media");
    await mkdir(media);
    const script = { name: "curl", journal: join(scene.folder, "journal.log"), segments: 2 };
    expected = resultOf(script);
    await writeFile(join(media, "face.mp4"), videoOf(script));
    await writeFile(join(media, "speech.wav"), speech);
    service = await scene.start({ environment: { FILE_ROOTS: media } });
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    await scene[Symbol.asyncDispose]();
  });

  it("has the result PUT to a bucket", async () => {
    for (const name of ["face.mp4", "speech.wav"]) {
      scene.bucket.set(name, await readFile(join(media, name)));
    }
    const out = `${scene.bucket.url("out.mp4")}?signature=a&expires=1`;
    const output = await runJob([
      scene.bucket.url("face.mp4"),
      scene.bucket.url("speech.wav"),
      out,
    ]);
    expectSuccess(output, out);
    expect(scene.bucket.puts).toMatchObject([
      { name: "out.mp4?signature=a&expires=1", whole: true },
    ]);
  });

  it("has the result written to a file", async () => {
    const [video, audio, out] = ["face.mp4", "speech.wav", "it's out.mp4"].map(
      (name) => `file://${media}/${encodeURI(name)}`,
    ) as [string, string, string];
    expectSuccess(await runJob([video, audio, out]), out);
    expect(await readFile(join(media, "it's out.mp4"))).toEqual(expected);
  });

  it("uploads files, and saves the result that the service keeps", async () => {
    const result = join(scene.folder, "result.mp4");
    const args = [join(media, "face.mp4"), join(media, "speech.wav"), "upload:"] as const;
    const output = await runJob(args, { RESULT: result });
    expectSuccess(output, "upload:");
    expect(await readFile(result)).toEqual(expected);
  });

  it("fails where the job fails, and where it is refused", async () => {
    const good = [`file://${media}/face.mp4`, `file://${media}/speech.wav`] as const;
    const lost = runJob([`file://${media}/nothing.mp4`, good[1], "upload:"]);
    await expect(lost).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("not_found"),
    });
    await expect(runJob([...good, "file:///etc/passwd"])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("expected 202, but got 403"),
    });
  });
});
