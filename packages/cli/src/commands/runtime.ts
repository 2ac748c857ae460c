import { LatentSyncError } from "@ls/core";
import {
  installedFiles,
  type InstalledRuntime,
  installRuntime,
  isInstalledIntact,
  listInstalledRuntimes,
  removeRuntime,
  type RuntimeInstallEvent,
  type RuntimeParts,
} from "@ls/files";
import { cudaParts, NVIDIA_LICENCES } from "@ls/runtime-cuda";
import { openVinoParts } from "@ls/runtime-openvino";
import { Argument, type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { createEventLine } from "../event-line.ts";
import { debugOption, jsonOption } from "../options.ts";
import { formatBytes } from "../terminal.ts";

/** Runtimes whose native libraries npm does not bring. */
const INSTALLABLE = ["cuda", "openvino"] as const;
type InstallableName = (typeof INSTALLABLE)[number];

interface OutputOptions {
  readonly json?: boolean;
}

interface InstallOptions extends OutputOptions {
  readonly from?: string;
  readonly index?: string;
  readonly withLibraries?: boolean;
  readonly acceptNvidiaLicences?: boolean;
}

export function addRuntimeCommand(program: Command, context: CommandContext): void {
  const runtime = program
    .command("runtime")
    .description("install, list and remove native libraries of runtimes");
  runtime
    .command("install")
    .description("fetch ONNX Runtime's CUDA and TensorRT providers, or OpenVINO, from PyPI")
    .addArgument(new Argument("<name>", "the runtime").choices(INSTALLABLE))
    .option("--from <path>", "a wheel or a folder of wheels or libraries, instead of the network")
    .addOption(
      new Option("--index <url>", "a package index's simple API (default: PyPI's)").env(
        "PIP_INDEX_URL",
      ),
    )
    .option("--with-libraries", "cuda: CUDA 13 and cuDNN 9, too, 1.1 GB under NVIDIA's licences")
    .option("--accept-nvidia-licences", "agree to the licences of NVIDIA's libraries")
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((name: InstallableName, options: InstallOptions) => install(name, options, context));
  runtime
    .command("list")
    .description("what is installed, and whether it is intact")
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((options: OutputOptions) => list(options, context));
  runtime
    .command("remove")
    .description("delete what was installed")
    .addArgument(new Argument("<name>", "the runtime").choices(INSTALLABLE))
    .addOption(jsonOption())
    .addOption(debugOption())
    .action((name: InstallableName, options: OutputOptions) => remove(name, options, context));
}

function checkLicences({ withLibraries, acceptNvidiaLicences }: InstallOptions): void {
  if (withLibraries !== true || acceptNvidiaLicences === true) return;
  throw new LatentSyncError(
    "forbidden",
    `CUDA's and cuDNN's libraries come under NVIDIA's licences:\n  ${NVIDIA_LICENCES.join("\n  ")}`,
    { hint: "Read them; if you agree, add --accept-nvidia-licences." },
  );
}

function partsOf(name: InstallableName, options: InstallOptions): RuntimeParts {
  if (name === "openvino") {
    if (options.withLibraries !== true) return openVinoParts();
    throw new LatentSyncError("invalid_argument", "--with-libraries is for cuda only.", {
      hint: "Leave it out: OpenVINO's wheel holds everything.",
    });
  }
  checkLicences(options);
  return cudaParts({ withLibraries: options.withLibraries });
}

function describe(event: RuntimeInstallEvent): string {
  switch (event.type) {
    case "start":
    case "progress": {
      const percent = Math.floor((100 * event.bytesDone) / Math.max(1, event.bytesTotal));
      return `${event.file}: ${percent} % of ${formatBytes(event.bytesTotal)}`;
    }
    case "retry":
      return `${event.file}: trying again (${event.reason})`;
    case "verify":
      return `${event.file}: checking its hash`;
    case "unpack":
      return `Unpacking ${event.file}, ${formatBytes(event.bytesTotal)}`;
  }
}

function summarize(runtime: InstalledRuntime): string {
  const { name, version, folder, sources } = runtime;
  const files = installedFiles(runtime);
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const from = sources.map((source) => `  from ${source.name}\n`).join("");
  return `${name} ${version}: ${files.length} files, ${formatBytes(bytes)}, in ${folder}\n${from}`;
}

async function install(
  name: InstallableName,
  options: InstallOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const parts = partsOf(name, options);
  const json = options.json ?? false;
  using progress = createEventLine<RuntimeInstallEvent>({ terminal, json, describe });
  const installed = await installRuntime(parts, {
    from: options.from,
    indexUrl: options.index,
    onEvent: (event) => progress.report(event),
    signal,
  });
  progress[Symbol.dispose]();
  terminal.stdout.write(
    json ? `${JSON.stringify({ type: "done", ...installed })}\n` : summarize(installed),
  );
}

async function list(options: OutputOptions, { terminal, signal }: CommandContext): Promise<void> {
  const installed = await listInstalledRuntimes();
  const states = [];
  for (const runtime of installed) {
    states.push({ ...runtime, isIntact: await isInstalledIntact(runtime, signal) });
  }
  if (options.json === true) {
    terminal.stdout.write(`${JSON.stringify(states)}\n`);
    return;
  }
  if (states.length === 0) terminal.stdout.write("Nothing is installed.\n");
  for (const state of states) {
    terminal.stdout.write(summarize(state));
    if (state.isIntact) continue;
    terminal.stdout.write(`  damaged; run: latentsync-ts runtime install ${state.name}\n`);
  }
}

async function remove(
  name: InstallableName,
  options: OutputOptions,
  { terminal }: CommandContext,
): Promise<void> {
  const removed = await removeRuntime(name);
  const text = removed.map(({ version, folder }) => `removed ${name} ${version} from ${folder}\n`);
  terminal.stdout.write(
    options.json === true ? `${JSON.stringify({ type: "done", removed })}\n` : text.join(""),
  );
}
