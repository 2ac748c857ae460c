/** How a process that used a runtime ends, as a vitest suite: native code must not bring it down. */
import { describe, expect, it } from "vitest";
import { runProgram } from "./process-end.ts";

export interface ProcessEndConformanceOptions {
  /** What the program is given behind the ending. */
  readonly args?: readonly string[];
  /** Why the runtime cannot be tested here; the suite is then skipped with this in its title. */
  readonly skip?: string | undefined;
}

/**
 * @param program path of a program that calls `useUntilEnd` with its first argument and exits with the
 *   code that this gives, if any.
 */
export function processEndConformance(
  name: string,
  program: string,
  { args = [], skip }: ProcessEndConformanceOptions = {},
): void {
  const reason = skip === undefined ? "" : ` (skipped: ${skip})`;
  describe.skipIf(skip !== undefined)(`a process with ${name}${reason}`, () => {
    it.each([
      { ending: "disposed", expected: 0 },
      { ending: "left open", expected: 0 },
      { ending: "exit when idle", expected: 5 },
      { ending: "exit while compiling", expected: 5 },
      { ending: "exit while running", expected: 5 },
      { ending: "throw while running", expected: 1 },
      { ending: "wait", expected: 0 },
    ])("ends with $expected: $ending", async ({ ending, expected }) => {
      const { code, signal, output, errors } = await runProgram(program, [ending, ...args]);
      expect({ code, signal }, errors).toEqual({ code: expected, signal: null });
      if (ending === "throw while running") expect(errors).toContain("thrown on purpose");
      else expect(errors).toBe("");
      expect(output.includes("finished")).toBe(ending === "wait");
    });

    it.skipIf(process.platform === "win32")("ends at once on Ctrl-C", async () => {
      const { code, signal } = await runProgram(program, ["run on", ...args], {
        onOutput: (running) => running.kill("SIGINT"),
      });
      expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
    });
  });
}
