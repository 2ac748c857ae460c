import { stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { Command } from "commander";
import { checkJob } from "../check-job.ts";
import type { CommandContext } from "../command-context.ts";
import { parseInferOptions } from "../infer-arguments.ts";
import { engineOptionsOf, type InferFlags, runInferJob } from "../infer-job.ts";
import { load, type LoadedEngine } from "../load.ts";
import { compareInputs, compareRuns, type Difference } from "../manifest-compare.ts";
import { describeOutput, describeRun, readManifest, type RunManifest } from "../manifest.ts";
import { debugOption, jsonOption } from "../options.ts";
import { createProgress, type ProgressReporter } from "../progress.ts";

interface RerunFlags {
  readonly out?: string;
  readonly video?: string;
  readonly audio?: string;
  readonly json?: boolean;
}

export function addRerunCommand(program: Command, context: CommandContext): void {
  program
    .command("rerun")
    .description("make a video again from its manifest, and compare the bytes")
    .argument("<manifest>", "file that `infer --manifest` has written")
    .option("--out <file>", "video to write (default: the first one's name with .rerun in it)")
    .option("--video <file>", "where the video lies now")
    .option("--audio <file>", "where the speech lies now")
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((manifest: string, flags: RerunFlags) => rerun(manifest, flags, context));
}

async function rerun(
  path: string,
  flags: RerunFlags,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const manifest = await readManifest(path);
  const { job, given } = jobOf(manifest, flags);
  await refuseOverwriting(job.out, manifest, flags);
  refuseOthers(await compareInputs(manifest, given, signal));
  await checkJob(job);
  using progress = createProgress({ terminal, json: flags.json ?? false, signal });
  await using engine = await load({
    ...engineOptionsOf(job),
    onGraphProgress: (network, bytesDone, bytesTotal) =>
      progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    onNotice: (message) => progress.report({ type: "notice", message }),
    signal,
  });
  refuseOtherModel(manifest, engine);
  const { seed } = job;
  const now = await describeRun({ engine, flags: job, given, seed, signal });
  const differences = compareRuns(manifest, now);
  for (const message of [...engine.notices, ...differences.map(describe)]) {
    progress.report({ type: "notice", message });
  }
  await make(engine, { job, given, progress, signal });
  const output = await describeOutput(job.out, signal);
  progress[Symbol.dispose]();
  const expected = manifest.output.unsignedSha256 ?? manifest.output.sha256;
  if (output.sha256 !== expected) throw otherBytes(expected, output.sha256, differences);
  if (flags.json === true) {
    terminal.stdout.write(`${JSON.stringify({ type: "same", ...output })}\n`);
    return;
  }
  terminal.stderr.write(`The same ${output.sizeBytes} bytes as then.\n`);
  terminal.stdout.write(`${job.out}\n`);
}

/** What is done again: neither the manifest nor the signature, which would name another time. */
function jobOf(
  manifest: RunManifest,
  { video, audio, out }: RerunFlags,
): { readonly job: InferFlags; readonly given: RunManifest["options"] } {
  const {
    manifest: _,
    resume: _resume,
    trace: _trace,
    "frames-out": _frames,
    "c2pa-cert": _certificate,
    "c2pa-key": _key,
    ...options
  } = manifest.options;
  const { path } = manifest.output;
  const extension = extname(path);
  const given = {
    ...options,
    ...(video === undefined ? {} : { video: resolve(video) }),
    ...(audio === undefined ? {} : { audio: resolve(audio) }),
    out: out ?? `${path.slice(0, path.length - extension.length)}.rerun${extension}`,
  };
  return { job: parseInferOptions(given), given };
}

/** What is compared with must stay, and a name that nobody gave must be free. */
async function refuseOverwriting(
  output: string,
  manifest: RunManifest,
  { out }: RerunFlags,
): Promise<void> {
  const isFirst = resolve(output) === manifest.output.path;
  const status = await stat(output).catch(() => undefined);
  if (status === undefined || (out !== undefined && !isFirst)) return;
  throw new LatentSyncError("invalid_argument", `${output} exists already.`, {
    hint: "Give another file with --out.",
  });
}

function refuseOthers(differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  throw new LatentSyncError(
    "conflict",
    `These are not the files of the manifest: ${differences.map(describe).join("; ")}.`,
    { hint: "Say where the files of then lie with --video and --audio." },
  );
}

function refuseOtherModel({ model }: RunManifest, engine: LoadedEngine): void {
  if (model.sha256 === engine.model.hash) return;
  throw new LatentSyncError(
    "conflict",
    `The model is another one: ${model.name} had the hash ${model.sha256}, ${engine.model.name} has ${engine.model.hash}.`,
    { hint: "Pull or restore the weights that the manifest names." },
  );
}

async function make(
  engine: LoadedEngine,
  {
    job: flags,
    given,
    progress,
    signal,
  }: {
    readonly job: InferFlags;
    readonly given: RunManifest["options"];
    readonly progress: ProgressReporter;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { seed } = flags;
  for await (const event of runInferJob(engine, { flags, given, seed, signal })) {
    progress.report(event);
  }
}

function otherBytes(
  expected: string,
  actual: string,
  differences: readonly Difference[],
): LatentSyncError {
  const reasons =
    differences.length === 0
      ? "nothing that the manifest knows of differs"
      : `these differ: ${differences.map(({ what }) => what).join(", ")}`;
  return new LatentSyncError(
    "unmet",
    `The video has other bytes than then: its SHA-256 is ${actual} instead of ${expected}; ${reasons}.`,
    { hint: "Other versions, runtimes and processors round otherwise; look at the pictures." },
  );
}

function describe({ what, before, now }: Difference): string {
  return `${what}: ${before} then, ${now} now`;
}
