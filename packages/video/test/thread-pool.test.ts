/** FFmpeg's calls, files and images share the threads of libuv: none may wait for another's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { listFolder, useFolder, writeWav } from "./ffmpeg-fixtures.ts";

const PROGRAM = fileURLToPath(new URL("./fixtures/all-at-once.ts", import.meta.url));
const STUCK_MS = 45_000;
const file = useFolder();

it.each(["1", "2"])("everything at once needs no more than %s threads", async (threads) => {
  const sound = await writeWav(file(`sound-${threads}.wav`), {
    sampleRateHz: 16_000,
    channels: 1,
    seconds: 1,
  });
  const child = spawn(process.execPath, [PROGRAM, file("."), sound], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, UV_THREADPOOL_SIZE: threads },
  });
  const stuck = setTimeout(() => child.kill("SIGKILL"), STUCK_MS);
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  clearTimeout(stuck);
  expect({ code, signal, errors }).toEqual({ code: 0, signal: null, errors: "" });
  expect(output).toBe("24,24\n");
  expect(await listFolder(file("."))).toEqual(
    expect.arrayContaining(["a.mp4", "b.mp4", "face.mp4"]),
  );
});
