/** How a process that used the runtime ends: native code in its worker must not bring it down. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { probeOpenVino } from "../src/index.ts";

const program = fileURLToPath(new URL("./fixtures/process.ts", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

async function end(child: ChildProcess): Promise<Ended> {
  const [output, errors, [code, signal]] = await Promise.all([
    child.stdout === null ? "" : text(child.stdout),
    child.stderr === null ? "" : text(child.stderr),
    once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  return { code, signal, output, errors };
}

function start(ending: string): ChildProcess {
  return spawn(process.execPath, [program, ending], { stdio: ["ignore", "pipe", "pipe"] });
}

const { available, reason } = await probeOpenVino();
const title = `a process with the openvino runtime${available ? "" : ` (skipped: ${reason})`}`;

describe.skipIf(!available)(title, () => {
  it.each([
    { ending: "disposed", expected: 0 },
    { ending: "left open", expected: 0 },
    { ending: "exit when idle", expected: 5 },
    { ending: "exit while compiling", expected: 5 },
    { ending: "exit while running", expected: 5 },
    { ending: "throw while running", expected: 1 },
    { ending: "wait", expected: 0 },
  ])("ends with $expected: $ending", async ({ ending, expected }) => {
    const { code, signal, output, errors } = await end(start(ending));
    expect({ code, signal }, errors).toEqual({ code: expected, signal: null });
    if (ending === "throw while running") expect(errors).toContain("thrown on purpose");
    else expect(errors).toBe("");
    expect(output.includes("finished")).toBe(ending === "wait");
  });

  it.skipIf(process.platform === "win32")("ends at once on Ctrl-C", async () => {
    const child = start("run on");
    const ended = end(child);
    child.stdout?.once("data", () => child.kill("SIGINT"));
    const { code, signal } = await ended;
    expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
  });
});
