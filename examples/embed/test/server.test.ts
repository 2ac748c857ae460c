import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { main } from "latentsync-ts";
import { afterAll, beforeAll, expect, it } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-embed-"));
  expect(await main(["demo", "--out", folder, "--seconds", "1", "--json"])).toBe(0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("serves jobs, reports errors, and stops a job whose client is gone", async () => {
  const server = spawn(process.execPath, [join(import.meta.dirname, "../src/server.ts")], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface(server.stdout), "line")) as [string];
    const { port } = JSON.parse(line) as { port: number };
    const post = (job: object, signal?: AbortSignal): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}`, {
        method: "POST",
        body: JSON.stringify(job),
        ...(signal === undefined ? {} : { signal }),
      });
    const job = {
      video: join(folder, "face.mp4"),
      audio: join(folder, "speech.wav"),
      inferenceSteps: 1,
    };

    const done = await (await post({ ...job, output: join(folder, "a.mp4") })).text();
    expect(JSON.parse(done.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ type: "done" });

    const failed = await (await post({ ...job, video: "absent.mp4", output: "b.mp4" })).text();
    expect(failed).toContain("absent.mp4");

    const gone = new AbortController();
    const long = { ...job, inferenceSteps: 500, output: join(folder, "c.mp4") };
    await post(long, gone.signal);
    gone.abort();
    // Runs follow one another: this one can only end if the long one was stopped.
    await (await post({ ...job, output: join(folder, "d.mp4") })).text();
    const names = await readdir(folder);
    expect(names).toEqual(expect.arrayContaining(["a.mp4", "d.mp4"]));
    expect(names).not.toContain("c.mp4");
  } finally {
    server.kill();
    await once(server, "exit");
  }
}, 120_000);
