/** Results of campaigns: a line each, and a file for each row in `output/faults`. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";

export interface CampaignResult {
  readonly row: number;
  readonly title: string;
  readonly backend: string;
  readonly figures: Readonly<Record<string, string | number | boolean>>;
  readonly passed: boolean;
}

const FOLDER = join(import.meta.dirname, "../../../../output/faults");

/** Keeps a result in the row's file, a JSON array, in place of an earlier one of its title and backend. */
export async function record(result: CampaignResult): Promise<void> {
  const hardware = `${availableParallelism()} cores of ${cpus()[0]?.model.trim()}, shared`;
  const entry = { ...result, hardware, date: new Date().toISOString().slice(0, 10) };
  const path = join(FOLDER, `${String(result.row).padStart(2, "0")}.json`);
  await mkdir(FOLDER, { recursive: true });
  const earlier = await readFile(path, "utf8").then(
    (text) => JSON.parse(text) as readonly CampaignResult[],
    () => [],
  );
  const others = earlier.filter(
    ({ title, backend }) => title !== result.title || backend !== result.backend,
  );
  await writeFile(path, `${JSON.stringify([...others, entry], undefined, 2)}\n`);
  console.log(JSON.stringify(entry));
}

/** A whole number from the environment. */
export function countOf(variable: string, standard: number): number {
  return Number(process.env[variable] ?? standard);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Milliseconds as seconds. */
export function seconds(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
