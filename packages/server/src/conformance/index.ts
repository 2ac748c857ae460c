/** Suites that every adapter of a seam passes. */
export { jobQueueConformance } from "./job-queue.ts";
export type { JobQueueConformanceOptions } from "./job-queue-fixture.ts";
export {
  storageConformance,
  type StorageConformanceOptions,
  type StorageUnderTest,
} from "./storage.ts";
