/** Results of footage campaigns: a line each, and a file for each row in `output/footage`. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface FootageResult {
  /** Number of the campaign's file. */
  readonly row: number;
  /** The footage, for people. */
  readonly input: string;
  /** What is done to it, and what must hold. */
  readonly what: string;
  readonly figures: Readonly<Record<string, string | number | boolean>>;
  readonly passed: boolean;
}

/** A PSNR as a figure: it is infinite if nothing differs. */
export function decibels(psnrDb: number): number | "identical" {
  return psnrDb === Number.POSITIVE_INFINITY ? "identical" : Number(psnrDb.toFixed(1));
}

const FOLDER = join(import.meta.dirname, "../../../../output/footage");

/** Keeps a result in the row's file, a JSON array, in place of an earlier one of the same input. */
export async function record(result: FootageResult): Promise<void> {
  const entry = { ...result, date: new Date().toISOString().slice(0, 10) };
  const path = join(FOLDER, `${String(result.row).padStart(2, "0")}.json`);
  await mkdir(FOLDER, { recursive: true });
  const earlier = await readFile(path, "utf8").then(
    (text) => JSON.parse(text) as readonly FootageResult[],
    () => [],
  );
  const others = earlier.filter(
    ({ input, what }) => input !== result.input || what !== result.what,
  );
  await writeFile(path, `${JSON.stringify([...others, entry], undefined, 2)}\n`);
  console.log(JSON.stringify(entry));
}
