import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { BAD_CASES, type BadCase, type GoodFiles, LINKS } from "../media/bad-files.ts";
import { QUICK_ARGUMENTS, writeShortClip } from "../media/short-clip.ts";
import { PROGRAM } from "../run.ts";
import { record } from "./figures.ts";

const MOST_SECONDS = 10;
const MOST_MIB = 1024;
const POLL_MS = 50;

interface Outcome {
  readonly exitCode: number | null;
  /** Of the event that ends the run. */
  readonly code: string;
  readonly seconds: number;
  readonly peakMib: number;
  /** Names in the output's folder and in the temporary one that were not there before. */
  readonly left: readonly string[];
}

/** Runs the program as a user would, with a temporary folder of its own. */
async function infer(
  files: Readonly<Record<BadCase["role"], string>>,
  place: string,
): Promise<Outcome> {
  const temporary = join(place, "tmp");
  await mkdir(temporary);
  const before = new Set(await readdir(place, { recursive: true }));
  const paths = Object.entries(files).flatMap(([role, path]) => [`--${role}`, path]);
  const startMs = performance.now();
  const child = spawn(
    process.execPath,
    [PROGRAM, "infer", ...paths, ...QUICK_ARGUMENTS, "--json"],
    {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TMPDIR: temporary },
    },
  );
  let peakMib = 0;
  const watch = setInterval(() => {
    void readFile(`/proc/${child.pid}/status`, "utf8").then(
      (status) => {
        peakMib = Math.max(peakMib, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
      },
      () => undefined,
    );
    if (performance.now() - startMs > 6 * MOST_SECONDS * 1000) child.kill("SIGKILL");
  }, POLL_MS);
  const [stdout] = await Promise.all([text(child.stdout), once(child, "close")]);
  clearInterval(watch);
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  const event = (last === "" ? {} : JSON.parse(last)) as { type?: string; code?: string };
  const after = await readdir(place, { recursive: true });
  return {
    exitCode: child.exitCode,
    code: event.type === "error" ? (event.code ?? "none") : (event.type ?? "nothing"),
    seconds: Math.round(performance.now() - startMs) / 1000,
    peakMib: Math.round(peakMib),
    left: after.filter((name) => !before.has(name)),
  };
}

interface Attempt {
  readonly name: string;
  readonly codes: readonly string[];
  prepare(place: string): Promise<Readonly<Record<BadCase["role"], string>>>;
}

function attempts(clip: { video: string; audio: string }, good: GoodFiles): readonly Attempt[] {
  const cases = BAD_CASES.map(({ name, role, codes, make }) => ({
    name: `${name} as ${role}`,
    codes,
    prepare: async (place: string) => ({
      ...{ ...clip, out: join(place, "o.mp4") },
      [role]: await make(place, good),
    }),
  }));
  const links = LINKS.map(([kind, make]) => ({
    name: `an output that is an input by ${kind}`,
    codes: ["invalid_argument"],
    prepare: async (place: string) => {
      await make(clip.video, join(place, "o.mp4"));
      return { ...clip, out: join(place, "o.mp4") };
    },
  }));
  return [...cases, ...links];
}

test("row 40: bad inputs", { timeout: 3600 * 1000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-bad-inputs-"));
  try {
    const clip = await writeShortClip(join(folder, "clip"));
    const good = { video: await readFile(clip.video), speech: await readFile(clip.audio) };
    const all: { name: string; isRight: boolean; outcome: Outcome }[] = [];
    for (const { name, codes, prepare } of attempts(clip, good)) {
      const place = await mkdtemp(join(folder, "case-"));
      const outcome = await infer(await prepare(place), place);
      const isRight =
        outcome.exitCode === 1 &&
        codes.includes(outcome.code) &&
        outcome.seconds <= MOST_SECONDS &&
        outcome.peakMib < MOST_MIB &&
        outcome.left.length === 0;
      all.push({ name, isRight, outcome });
      if (!isRight) console.log(`${name}: ${JSON.stringify(outcome)}`);
    }
    const wrong = all.filter(({ isRight }) => !isRight);
    const figures = {
      cases: all.length,
      wrong: wrong.length,
      longestSeconds: Math.max(...all.map(({ outcome }) => outcome.seconds)),
      peakMib: Math.max(...all.map(({ outcome }) => outcome.peakMib)),
      left: all.flatMap(({ outcome }) => outcome.left).length,
    };
    await record({
      row: 40,
      input: `${all.length} bad videos, speeches and outputs`,
      what: `infer ends with one typed error within ${MOST_SECONDS} s and ${MOST_MIB} MiB, and leaves nothing`,
      figures,
      passed: wrong.length === 0,
    });
    expect(wrong).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
