import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { jobQueueConformance } from "../../src/conformance/index.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";

const folder = mkdtempSync(join(tmpdir(), "sqlite-queue-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

jobQueueConformance("SQLite", {
  open: (store, limits) => openSqliteQueue({ path: join(folder, `${store}.sqlite`), limits }),
});
