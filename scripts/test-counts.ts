/**
 * A vitest reporter that closes the run with what failed, in brief, and the counts alone on a line. It
 * leaves both in `output/test-counts.txt` for programs that show them later.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

const MOST_LINES = 60;

export const testCountsPath: string = resolve(import.meta.dirname, "../output/test-counts.txt");

export class TestCounts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // A file that fails to load and an error outside of tests have no test to count for them.
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    const failures = unhandledErrors.map((error) => failure("outside of tests", [error]));
    for (const module of modules) {
      let failed = 0;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        count[state] += 1;
        if (state !== "failed") continue;
        failed += 1;
        failures.push(failure(`${module.relativeModuleId} > ${test.fullName}`, errors));
      }
      if (failed === 0 && module.state() === "failed") {
        count.failed += 1;
        failures.push(failure(module.relativeModuleId, module.errors()));
      }
    }
    const skipped = count.skipped + count.pending;
    const counts = `${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
    const lines = [...failures, counts].map((line) => `${line}\n`).join("");
    mkdirSync(dirname(testCountsPath), { recursive: true });
    writeFileSync(testCountsPath, lines);
    process.stdout.write(lines);
  }
}

/** The first error, with its stack: a test that fails once in many runs may never show it again. */
function failure(where: string, errors: readonly unknown[] = []): string {
  const [error] = errors;
  const { stack = String(error), diff } = (error ?? {}) as Partial<
    Record<"stack" | "diff", string>
  >;
  const lines = `FAILED ${where}\n${stack}${diff === undefined ? "" : `\n${diff}`}`.split("\n");
  return lines.slice(0, MOST_LINES).join("\n");
}
