import { LatentSyncError } from "@ls/core";
import { verifyDemoModel } from "@ls/demo-model";
import {
  convertCheckpoint,
  pullModel,
  type PullEvent,
  type VerifiedFile,
  verifyModel,
} from "@ls/models";
import { type Command, Option } from "commander";
import { DEMO_MODEL_NAME, listKnownModels, locateModel } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import { createEventLine } from "../event-line.ts";
import { debugOption, jsonOption } from "../options.ts";
import { createProgress } from "../progress.ts";
import { formatBytes } from "../terminal.ts";

interface OutputOptions {
  readonly json?: boolean;
}

interface ConvertOptions {
  readonly from: string;
  readonly to: string;
  readonly profile: "cpu" | "openvino" | "cuda" | "webgpu" | "tensorrt";
  readonly precision: "float32" | "float16";
  readonly json?: boolean;
}

export function addModelsCommand(program: Command, context: CommandContext): void {
  const models = program.command("models").description("get, list, check and convert models");
  models
    .command("pull <name>")
    .description(
      "download latentsync-1.5, latentsync-1.6 or hf:owner/repository, with Whisper and VAE",
    )
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((name: string, options: OutputOptions) => pull(name, options, context));
  models
    .command("list")
    .description("the published models and the bundled one, and which are on this machine")
    .addOption(jsonOption())
    .action((options: OutputOptions) => list(options, context));
  models
    .command("verify <name>")
    .description("read the files of a pulled or the bundled model anew and compare their hashes")
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((name: string, options: OutputOptions) => verify(name, options, context));
  models
    .command("convert")
    .description("turn a checkpoint into a folder of ONNX graphs that infer --model takes")
    .requiredOption("--from <name|dir>", "a pulled model's name or a folder in the official layout")
    .requiredOption("--to <dir>", "folder for the graphs")
    .addOption(
      new Option("--profile <name>", "runtime that the graphs are for")
        .choices(["cpu", "openvino", "cuda", "webgpu", "tensorrt"])
        .default("cpu"),
    )
    .addOption(
      new Option("--precision <type>", "arithmetic of the networks")
        .choices(["float32", "float16"])
        .default("float32"),
    )
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((options: ConvertOptions) => convert(options, context));
}

async function pull(
  name: string,
  options: OutputOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  using progress = createEventLine({
    terminal,
    json: options.json ?? false,
    describe: describePull,
  });
  const pulled = await pullModel(name, { signal, onProgress: (event) => progress.report(event) });
  progress[Symbol.dispose]();
  if (options.json === true) {
    terminal.stdout.write(`${JSON.stringify({ type: "done", ...pulled })}\n`);
    return;
  }
  const bytes = pulled.contents.reduce((sum, file) => sum + file.bytes, 0);
  terminal.stdout.write(`${pulled.name}: ${pulled.contents.length} files, ${formatBytes(bytes)}\n`);
  for (const { what, licence, url } of pulled.licences) {
    terminal.stdout.write(`  ${what}: ${licence} (${url})\n`);
  }
}

function describePull(event: PullEvent): string {
  const name = `${event.repository}/${event.path}`;
  switch (event.type) {
    case "start":
    case "progress": {
      const percent = Math.floor((100 * event.bytesDone) / Math.max(1, event.bytesTotal));
      return `${name}: ${percent} % of ${formatBytes(event.bytesTotal)}`;
    }
    case "retry":
      return `${name}: trying again (${event.reason})`;
    case "verify":
      return `${name}: checking its hash`;
  }
}

async function list(options: OutputOptions, { terminal }: CommandContext): Promise<void> {
  const models = await listKnownModels();
  if (options.json === true) {
    terminal.stdout.write(`${JSON.stringify(models)}\n`);
    return;
  }
  for (const { name, isBundled, bytes, licences } of models) {
    const place = isBundled ? "comes with the program" : "on this machine";
    const state = bytes === undefined ? "not pulled" : `${place}, ${formatBytes(bytes)}`;
    const licence = licences.map(({ what, licence: words }) => `${what}: ${words}`).join("; ");
    terminal.stdout.write(`${name}  ${state}  (${licence})\n`);
  }
}

async function verify(
  name: string,
  options: OutputOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const onProgress = (file: VerifiedFile): void => {
    const line =
      options.json === true
        ? JSON.stringify(file)
        : `${file.status}  ${file.repository}/${file.path}  ${formatBytes(file.bytes)}`;
    terminal.stdout.write(`${line}\n`);
  };
  if (name === DEMO_MODEL_NAME) {
    const { files } = await verifyDemoModel({ signal });
    for (const { path, bytes } of files) {
      onProgress({ repository: "@ls/demo-model", path, bytes, status: "intact" });
    }
    return;
  }
  const files = await verifyModel(name, { signal, onProgress });
  const damaged = files.filter(({ status }) => status === "damaged");
  if (damaged.length > 0) {
    throw new LatentSyncError(
      "invalid_model",
      `${damaged.length} of ${files.length} files of ${name} are damaged.`,
      { hint: `Run: latentsync-ts models pull ${name}` },
    );
  }
}

async function convert(
  options: ConvertOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { from, to, profile, precision } = options;
  {
    using progress = createProgress({ terminal, json: options.json ?? false, signal });
    await convertCheckpoint(locateModel(from), to, {
      variant: { profile, precision },
      signal,
      onProgress: (network, bytesDone, bytesTotal) =>
        progress.report({ type: "graph", network, bytesDone, bytesTotal }),
    });
  }
  const done = JSON.stringify({ type: "done", output: to });
  terminal.stdout.write(`${options.json === true ? done : to}\n`);
}
