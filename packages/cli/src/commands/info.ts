import { cpus, freemem, totalmem } from "node:os";
import { cacheFolder } from "@ls/files";
import { GraphCache } from "@ls/models";
import { type CudaAvailability, probeCuda, probeTensorRt } from "@ls/runtime-cuda";
import { probeDevices } from "@ls/runtime-onnx";
import { probeOpenVino } from "@ls/runtime-openvino";
import { type HardwareStatus, probeVideoHardware } from "@ls/video";
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
    videoHardware: probeVideoHardware(),
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
  const tensorRt = await probeTensorRt();
  const openVino = await probeOpenVino();
  const others = await probeDevices();
  return [
    cudaStatus("cuda", cuda),
    cudaStatus("tensorrt", tensorRt),
    { name: "openvino", available: openVino.available, reason: openVino.reason },
    ...others.map(({ device, available, reason }) => ({ name: device, available, reason })),
  ];
}

function cudaStatus(name: string, { available, problems, hint }: CudaAvailability): RuntimeStatus {
  return { name, available, reason: [...problems, hint ?? ""].join(" ").trim() };
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
    readonly videoHardware: readonly HardwareStatus[];
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
    heading("Video hardware"),
    ...facts.videoHardware.map(({ name, available, encoders }) => {
      const built = encoders.length === 0 ? "" : `; encoders: ${encoders.join(", ")}`;
      return `  ${name.padEnd(14)}${available ? "ready" : "not here"}${built}`;
    }),
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
