/** Whoever waits for the disposal of a worker thread gets an answer: the process does not end first. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const PROGRAM = fileURLToPath(new URL("./fixtures/give-up.ts", import.meta.url));

it.each([
  ["loading", 0],
  ["loading", 200],
  ["detecting", 0],
  ["aligning", 0],
  ["aligning", 100],
])("disposal ends while %s, after %i ms", (what, delayMs) => {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [PROGRAM, what, String(delayMs)],
    { encoding: "utf8", timeout: 30_000 },
  );
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: "ended\n",
    stderr: "",
  });
});
