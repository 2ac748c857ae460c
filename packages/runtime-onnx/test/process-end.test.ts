/** How a process that used a runtime ends: native code in worker threads must not bring it down. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runProgram } from "@ls/testing";
import { processEndConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("./fixtures/process.ts", import.meta.url));
const places = ["worker", "in-process"];

for (const place of places) {
  processEndConformance(`a runtime (${place})`, program, { args: [place] });
}

describe.each(places)("a process with a runtime (%s)", (place) => {
  it("leaves nothing in the temporary folder: no telemetry, no log", async () => {
    const folder = await mkdtemp(join(tmpdir(), "latentsync-process-"));
    try {
      // ONNX Runtime keeps quiet by itself where it recognises a test or a build server.
      const env = { PATH: process.env["PATH"], TMPDIR: folder, TMP: folder, TEMP: folder };
      const end = await runProgram(program, ["disposed", place], { env });
      expect(end).toMatchObject({ code: 0, errors: "" });
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("a process whose runtime cannot be set up", () => {
  it("ends once it has handled the error: no thread holds it", async () => {
    const { code, signal, output } = await runProgram(program, ["cannot start"], {
      timeoutMs: 4000,
    });
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(output).toContain("caught TypeError: Promise.withResolvers is not a function");
  });
});
