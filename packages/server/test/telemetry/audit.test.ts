import { appendFile, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openAuditLog, readAudit, verifyAudit } from "../../src/telemetry/audit.ts";

vi.mock("node:fs/promises", { spy: true });

const create = {
  action: "job.create",
  owner: "ann",
  outcome: "done",
  remoteAddress: "192.0.2.1",
} as const;
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "audit-"));
  onTestFinished(() => rm(folder, { recursive: true }));
});

async function write(jobs: readonly string[], maxBytes = 2 ** 20): Promise<void> {
  await using log = await openAuditLog({ folder, maxBytes });
  await Promise.all(jobs.map((jobId) => log.append({ ...create, jobId })));
}

const newest = () => join(folder, "audit.jsonl");

describe("audit log", () => {
  it("answers who did what, with which model", async () => {
    await write(["j1", "j2"]);
    await using log = await openAuditLog({ folder });
    const model = { name: "demo", sha256: "ab" };
    await log.append({ action: "job.finish", owner: "ann", outcome: "done", jobId: "j1", model });
    await log.append({ ...create, owner: "bob", jobId: "j3", at: "2020-01-01T00:00:00.000Z" });

    const ofJob = await Array.fromAsync(readAudit({ folder, jobId: "j1" }));
    expect(ofJob.map(({ action }) => action)).toEqual(["job.create", "job.finish"]);
    expect(ofJob[0]).toMatchObject({ ...create, sequence: 1, previous: "0".repeat(64) });
    expect(ofJob[1]?.model).toEqual(model);
    const ofBob = await Array.fromAsync(readAudit({ folder, owner: "bob" }));
    expect(ofBob.map(({ jobId }) => jobId)).toEqual(["j3"]);
    const recent = await Array.fromAsync(readAudit({ folder, since: "2021-01-01T00:00:00Z" }));
    expect(recent.map(({ jobId }) => jobId)).toEqual(["j1", "j2", "j1"]);
    await expect(Array.fromAsync(readAudit({ folder, since: "soon" }))).rejects.toThrow(
      "not a time",
    );
  });

  it("continues its chain over restarts and rotation, and deletes nothing", async () => {
    for (let run = 0; run < 3; run++) {
      for (const job of ["a", "b", "c"]) await write([job, `${job}2`], 300);
    }
    expect((await readdir(folder)).length).toBeGreaterThan(3);
    expect(await verifyAudit({ folder })).toMatchObject({ entries: 18 });
    expect((await verifyAudit({ folder })).broken).toBeUndefined();
    expect(await Array.fromAsync(readAudit({ folder, jobId: "b" }))).toHaveLength(3);
  });

  it.each([
    ["changed", (lines: string[]) => lines.with(1, lines.at(1)!.replace("ann", "eve")), 2],
    ["taken out", (lines: string[]) => lines.toSpliced(1, 1), 2],
    ["doubled", (lines: string[]) => lines.toSpliced(1, 0, lines.at(0)!), 2],
    ["exchanged", (lines: string[]) => [lines.at(1)!, lines.at(0)!, lines.at(2)!], 1],
    ["no JSON", (lines: string[]) => lines.with(2, "{"), 3],
  ])("shows that a line was %s", async (_, tamper, line) => {
    await write(["j1", "j2", "j3"]);
    const lines = (await readFile(newest(), "utf8")).trim().split("\n");
    await writeFile(newest(), `${tamper(lines).join("\n")}\n`);
    expect((await verifyAudit({ folder })).broken).toEqual({ file: newest(), line });
  });

  it("removes a line that a crash cut short, and goes on", async () => {
    await write(["j1"]);
    await appendFile(newest(), '{"sequence":2,"at":"20');
    await write(["j2"]);
    const entries = await Array.fromAsync(readAudit({ folder }));
    expect(entries.map(({ jobId, sequence }) => [jobId, sequence])).toEqual([
      ["j1", 1],
      ["j2", 2],
    ]);
    expect((await verifyAudit({ folder })).broken).toBeUndefined();
  });

  it("goes on after its next file could not be opened once", async () => {
    await using log = await openAuditLog({ folder, maxBytes: 1 });
    await log.append({ ...create, jobId: "a" });
    vi.mocked(open).mockRejectedValueOnce(new Error("EMFILE: too many open files"));
    await expect(log.append({ ...create, jobId: "b" })).rejects.toThrow("EMFILE");
    await log.append({ ...create, jobId: "c" });
    const entries = await Array.fromAsync(readAudit({ folder }));
    expect(entries.map(({ jobId }) => jobId)).toEqual(["a", "c"]);
    expect(await verifyAudit({ folder })).toMatchObject({ entries: 2 });
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("does not go on after a damaged end", async () => {
    await write(["j1"]);
    await appendFile(newest(), '{"sequence":2,"hash":"0"}\n');
    await expect(openAuditLog({ folder })).rejects.toMatchObject({ code: "io" });
  });

  it("is empty for an empty folder", async () => {
    expect(await Array.fromAsync(readAudit({ folder }))).toEqual([]);
    expect(await verifyAudit({ folder })).toMatchObject({ entries: 0 });
  });
});
