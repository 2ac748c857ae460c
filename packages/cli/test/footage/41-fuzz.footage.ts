import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runFuzz } from "../media/fuzz-campaign.ts";
import { writeSeeds } from "../media/fuzz-seeds.ts";
import { record } from "./figures.ts";

const FILES = Number(process.env["LATENTSYNC_FUZZ_FILES"] ?? 2000);
/** Another number, other damage. */
const CAMPAIGN = Number(process.env["LATENTSYNC_FUZZ_SEED"] ?? 7);
const LIMIT_SECONDS = 60;
const LIMIT_MIB = 1024;

test("row 41: mutated media files", { timeout: 4 * 3600 * 1000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-fuzz-"));
  try {
    const [seedFolder, workFolder] = [join(folder, "seeds"), join(folder, "work")];
    await mkdir(seedFolder);
    await mkdir(workFolder);
    await writeSeeds(seedFolder);
    const seeds = await readdir(seedFolder);
    console.log(`${FILES} mutants of ${seeds.length} files, seed ${CAMPAIGN}`);
    const { failures, video, speech, ...report } = await runFuzz({
      ...{ seedFolder, workFolder, campaign: CAMPAIGN, files: FILES },
      filesPerProcess: 100,
      limitSeconds: LIMIT_SECONDS,
      limitMib: LIMIT_MIB,
    });
    for (const failure of failures) console.log(failure);
    const passed = failures.length === 0 && report.files === FILES;
    await record({
      row: 41,
      input: `${FILES} mutants of ${seeds.length} files (seed ${CAMPAIGN}): ${seeds.join(", ")}`,
      what: "read as video and as speech in processes of 100 files: no crash, no hang, typed errors",
      figures: {
        ...report,
        failures: failures.length,
        ...prefixed("video", video),
        ...prefixed("speech", speech),
      },
      passed,
    });
    expect(failures).toEqual([]);
    expect(passed).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function prefixed(
  prefix: string,
  counts: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [`${prefix}: ${name}`, count] as const),
  );
}
