/** How a process that used a runtime ends: native code in worker threads must not bring it down. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

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

function start(
  ending: string,
  place = "worker",
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  return spawn(process.execPath, [program, ending, place], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
}

describe.each(["worker", "in-process"])("a process with a runtime (%s)", (place) => {
  it.each([
    { ending: "disposed", expected: 0 },
    { ending: "left open", expected: 0 },
    { ending: "exit when idle", expected: 5 },
    { ending: "exit while running", expected: 5 },
    { ending: "throw while running", expected: 1 },
    { ending: "wait", expected: 0 },
  ])("ends with $expected: $ending", async ({ ending, expected }) => {
    const { code, signal, output, errors } = await end(start(ending, place));
    expect({ code, signal }, errors).toEqual({ code: expected, signal: null });
    if (ending === "throw while running") expect(errors).toContain("thrown on purpose");
    else expect(errors).toBe("");
    expect(output.includes("finished")).toBe(ending === "wait");
  });

  it.skipIf(process.platform === "win32")("ends at once on Ctrl-C", async () => {
    const child = start("run on", place);
    const ended = end(child);
    child.stdout?.once("data", () => child.kill("SIGINT"));
    const { code, signal } = await ended;
    expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
  });

  it("leaves nothing in the temporary folder: no telemetry, no log", async () => {
    const folder = await mkdtemp(join(tmpdir(), "latentsync-process-"));
    try {
      // ONNX Runtime keeps quiet by itself where it recognises a test or a build server.
      const env = { PATH: process.env["PATH"], TMPDIR: folder, TMP: folder, TEMP: folder };
      expect(await end(start("disposed", place, env))).toMatchObject({ code: 0, errors: "" });
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a process whose runtime cannot be set up", () => {
  it("ends once it has handled the error: no thread holds it", async () => {
    const child = start("cannot start");
    const stuck = setTimeout(() => child.kill("SIGKILL"), 4000);
    const { code, signal, output } = await end(child);
    clearTimeout(stuck);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(output).toContain("caught TypeError: Promise.withResolvers is not a function");
  });
});
