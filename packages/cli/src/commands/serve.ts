import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { Configuration, describeConfiguration } from "@ls/server";
import { type Command, Option } from "commander";
import { checkInputFile } from "../check-files.ts";
import type { CommandContext } from "../command-context.ts";
import { Interrupted } from "../interrupt.ts";
import { chooseModel } from "../load.ts";
import {
  debugOption,
  modelOption,
  type PrecisionName,
  precisionOption,
  type RuntimeName,
  runtimeOption,
  threadsOption,
} from "../options.ts";
import type { EngineOptions } from "../service/engine-options.ts";
import { checkWeights } from "../service/weights.ts";
import { packageVersion } from "../version.ts";

interface ServeOptions {
  readonly model?: string;
  readonly runtime: RuntimeName;
  readonly precision: PrecisionName;
  readonly threads?: number;
}

/** Compiled, and as source in tests. */
const ENGINE_MODULE = `../service/engine${extname(import.meta.url)}`;

const EXAMPLES = `
Every option is also an environment variable (--max-queued: MAX_QUEUED) or a key of the JSON file
that CONFIG_PATH names. A CONFIG_PATH that ends in .yaml is the UNet's configuration, as the official
script takes it, for the checkpoint in WEIGHTS_DIR.

Examples:
  latentsync-ts serve
  latentsync-ts serve --model latentsync-1.6 --file-roots /srv/media --workers 2
  latentsync-ts serve --host 0.0.0.0 --api-keys-file keys.json --queue-url redis://redis:6379
`;

export function addServeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("serve")
    .description("run the job service: HTTP API, queue, workers and web page")
    .addOption(modelOption())
    .addOption(runtimeOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(debugOption())
    .addHelpText("after", EXAMPLES)
    .action((options: ServeOptions) => serve(options, command, context));
  // The service's package takes most of a second to load: other commands do without it.
  program.hook("preSubcommand", async (_program, chosen) => {
    if (chosen === command) await addSettings(command);
  });
}

async function addSettings(command: Command): Promise<void> {
  const { describeConfiguration } = await import("@ls/server");
  for (const { flag, description, isSwitch, default: preset } of describeConfiguration()) {
    const shown = preset === "" || isSwitch ? description : `${description} Default: ${preset}.`;
    command.addOption(new Option(isSwitch ? flag : `${flag} <value>`, shown));
  }
}

/** Those that stand on the command line. Commander takes `--no-auth` for the absence of `--auth`. */
function namedSettings(
  command: Command,
  settings: ReturnType<typeof describeConfiguration>,
): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const { flag, isSwitch } of settings) {
    const option = command.options.find(({ long }) => long === flag);
    const name = option?.attributeName() ?? flag;
    if (command.getOptionValueSource(name) !== "cli") continue;
    named[flag] = isSwitch || command.getOptionValue(name);
  }
  return named;
}

async function serve(
  options: ServeOptions,
  command: Command,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const server = await import("@ls/server");
  const configuration = await server.readConfiguration({
    env: process.env,
    flags: namedSettings(command, server.describeConfiguration()),
  });
  const engineOptions = engineOptionsOf(options, configuration, server.isUnetConfig);
  // A worker would wait for a pipe's writer.
  if (engineOptions.unetConfig !== undefined) await checkInputFile(engineOptions.unetConfig);
  const { reference, notices } = await chooseModel(engineOptions);
  for (const notice of notices) terminal.stderr.write(`${notice}\n`);
  await using service = await server.createService({
    configuration,
    version: packageVersion(),
    engine: {
      module: new URL(ENGINE_MODULE, import.meta.url).href,
      options: Object.fromEntries(
        Object.entries(engineOptions).filter(([, value]) => value !== undefined),
      ),
    },
    checkWeights: () => checkWeights(reference),
  });
  await using listening = await server.listen({
    app: service.app,
    port: configuration.port,
    host: configuration.host,
  });
  terminal.stderr.write(`Listening on ${listening.url}\n`);
  await stopped(signal);
  await server.shutDown({ service, listening, drainSeconds: configuration.drainSeconds });
  // SIGTERM is how a service is meant to end.
  if (signal.reason instanceof Interrupted) return;
  signal.throwIfAborted();
}

function engineOptionsOf(
  { model, runtime, precision, threads }: ServeOptions,
  configuration: Configuration,
  isUnetConfig: (path: string) => boolean,
): EngineOptions {
  const { configPath, workers } = configuration;
  const unetConfig = configPath !== undefined && isUnetConfig(configPath) ? configPath : undefined;
  return {
    ...(model === undefined ? configuredModel(configuration, unetConfig) : { model }),
    runtime,
    precision: precision === "auto" ? undefined : precision,
    // Workers that each took all cores would only wait for one another.
    threads: threads ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, workers))),
  };
}

/** As the environment of earlier deployments names it: a folder of weights, and maybe the UNet's YAML. */
function configuredModel(
  { weightsDir }: Configuration,
  unetConfig: string | undefined,
): EngineOptions {
  if (unetConfig === undefined) return { model: weightsDir };
  if (weightsDir !== undefined) {
    return { unetConfig, unetCheckpoint: join(weightsDir, "latentsync_unet.pt") };
  }
  throw new LatentSyncError("invalid_argument", "CONFIG_PATH names the UNet's YAML alone.", {
    hint: "Set WEIGHTS_DIR to the folder of latentsync_unet.pt as well.",
  });
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}
