import { defineConfig } from "vitest/config";

/** The footage campaigns, whose figures `docs/footage.md` holds. One at a time. */
export default defineConfig({
  test: {
    include: ["packages/cli/test/footage/**/*.footage.ts"],
    testTimeout: 900_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
