import { cpus, freemem, totalmem } from "node:os";
import { cacheFolder, GraphCache } from "@ls/models";
import { probeCuda } from "@ls/runtime-cuda";
import { probeDevices } from "@ls/runtime-onnx";
import type { Command } from "commander";
import { type KnownModel, listKnownModels } from "../bundled-model.ts";
import type { CommandContext } from "../command-context.ts";
import { jsonOption } from "../options.ts";
import { formatBytes, paint, type Terminal } from "../terminal.ts";
import { packageVersion } from "../version.ts";

interface RuntimeStatus {
  readonly name: string;
  readonly available: boolean;
  readonly reason: string | undefined;
}

export function addInfoCommand(program: Command, context: CommandContext): void {
  program
    .command("info")
    .description("runtimes, devices, models and cache of this machine")
    .addOption(jsonOption())
    .action((options: { readonly json?: boolean }) => info(options.json ?? false, context));
}

async function info(json: boolean, { terminal }: CommandContext): Promise<void> {
  const runtimes = await probeRuntimes();
  const models = await listKnownModels();
  const graphs = await new GraphCache().list();
  const facts = {
    version: packageVersion(),
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    runtimes,
    models,
    cache: {
      folder: cacheFolder(),
      graphs: graphs.length,
      bytes: graphs.reduce((sum, { bytes }) => sum + bytes, 0),
    },
  };
  if (json) terminal.stdout.write(`${JSON.stringify(facts)}\n`);
  else print(facts, terminal);
}

async function probeRuntimes(): Promise<RuntimeStatus[]> {
  const cuda = await probeCuda();
  const others = await probeDevices();
  return [
    { name: "cuda", available: cuda.available, reason: cuda.problems.join(" ") },
    ...others.map(({ device, available, reason }) => ({ name: device, available, reason })),
  ];
}

function print(
  facts: {
    readonly version: string;
    readonly node: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly freeMemoryBytes: number;
    readonly runtimes: readonly RuntimeStatus[];
    readonly models: readonly KnownModel[];
    readonly cache: { readonly folder: string; readonly graphs: number; readonly bytes: number };
  },
  { stdout }: Terminal,
): void {
  const heading = (text: string): string => paint(stdout, "bold", text);
  const memory = `${formatBytes(facts.memoryBytes)} memory, ${formatBytes(facts.freeMemoryBytes)} free`;
  const lines = [
    `latentsync-ts ${facts.version}, Node ${facts.node}`,
    `${facts.cpu}, ${facts.cores} cores, ${memory}`,
    "",
    heading("Runtimes"),
    ...facts.runtimes.map(({ name, available, reason }) =>
      available ? `  ${name.padEnd(10)}ready` : `  ${name.padEnd(10)}not here: ${reason ?? ""}`,
    ),
    "",
    heading("Models"),
    ...facts.models.map(({ name, isBundled, bytes }) => {
      const state = bytes === undefined ? "not pulled" : formatBytes(bytes);
      return `  ${name.padEnd(17)}${state}${isBundled ? ", comes with the program" : ""}`;
    }),
    "",
    heading("Graph cache"),
    `  ${facts.cache.folder}: ${facts.cache.graphs} entries, ${formatBytes(facts.cache.bytes)}`,
  ];
  stdout.write(`${lines.join("\n")}\n`);
}
