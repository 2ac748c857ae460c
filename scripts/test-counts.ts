/**
 * A vitest reporter that closes the run with the counts alone on a line, and leaves that line in
 * `output/test-counts.txt` for programs that show it later.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Reporter, TestModule } from "vitest/node";

export const testCountsPath: string = resolve(import.meta.dirname, "../output/test-counts.txt");

export class TestCounts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // A file that fails to load and an error outside of tests have no test to count for them.
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      let failed = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        count[state] += 1;
        if (state === "failed") failed += 1;
      }
      if (failed === 0 && module.state() === "failed") count.failed += 1;
    }
    const skipped = count.skipped + count.pending;
    const line = `${count.passed} passed, ${count.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
    mkdirSync(dirname(testCountsPath), { recursive: true });
    writeFileSync(testCountsPath, `${line}\n`);
    process.stdout.write(`${line}\n`);
  }
}
