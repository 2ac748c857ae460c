import { defineConfig } from "vitest/config";

/** The long fault campaigns, whose figures `docs/reliability.md` holds. One at a time. */
export default defineConfig({
  test: {
    include: ["packages/server/test/faults/**/*.fault.ts"],
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    fileParallelism: false,
  },
});
