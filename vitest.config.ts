import { defineConfig } from "vitest/config";
import { TestCounts } from "./scripts/test-counts.ts";

export default defineConfig({
  test: {
    include: ["{packages,examples,tools}/*/test/**/*.test.ts", "benchmarks/test/**/*.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // Native sessions are multi-threaded themselves.
    maxWorkers: 2,
    reporters: ["default", new TestCounts()],
  },
});
