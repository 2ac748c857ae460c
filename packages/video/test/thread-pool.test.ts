/** FFmpeg's calls, files and images share the threads of libuv: none may wait for another's. */
import { fileURLToPath } from "node:url";
import { runProgram } from "@ls/testing";
import { expect, it } from "vitest";
import { listFolder, useFolder, writeWav } from "./ffmpeg-fixtures.ts";

const PROGRAM = fileURLToPath(new URL("./fixtures/all-at-once.ts", import.meta.url));
const STUCK_MS = 45_000;
const file = useFolder();

it.each(["1", "2"])("everything at once needs no more than %s threads", async (threads) => {
  const sound = await writeWav(file(`sound-${threads}.wav`), { seconds: 1 });
  const { code, signal, output, errors } = await runProgram(PROGRAM, [file("."), sound], {
    env: { ...process.env, UV_THREADPOOL_SIZE: threads },
    timeoutMs: STUCK_MS,
  });
  expect({ code, signal, errors }).toEqual({ code: 0, signal: null, errors: "" });
  expect(output).toBe("24,24\n");
  expect(await listFolder(file("."))).toEqual(
    expect.arrayContaining(["a.mp4", "b.mp4", "face.mp4"]),
  );
});
