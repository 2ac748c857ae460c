import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { Configuration } from "@ls/server";
import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { Interrupted } from "../interrupt.ts";
import { chooseModel } from "../load.ts";
import {
  debugOption,
  modelOption,
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
  readonly precision: "auto" | "float32" | "float16";
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
    .action((options: ServeOptions) => serve(options, settingsOf(command), context));
  // The service's package takes most of a second to load: other commands do without it.
  program.hook("preSubcommand", async (_program, chosen) => {
    if (chosen === command) await addSettings(command);
  });
}

const settingFlags = new WeakMap<Command, ReadonlySet<string>>();

async function addSettings(command: Command): Promise<void> {
  const { describeConfiguration } = await import("@ls/server");
  const settings = describeConfiguration();
  for (const { flag, description, isSwitch, default: preset } of settings) {
    const shown = preset === "" || isSwitch ? description : `${description} Default: ${preset}.`;
    command.addOption(new Option(isSwitch ? flag : `${flag} <value>`, shown));
  }
  settingFlags.set(command, new Set(settings.map(({ flag }) => flag)));
}

/** The settings that stand on the command line. Commander takes `--no-auth` for the absence of `--auth`. */
function settingsOf(command: Command): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const option of command.options) {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== "cli") continue;
    if (option.long && settingFlags.get(command)?.has(option.long)) {
      settings[option.long] = option.isBoolean() || command.getOptionValue(name);
    }
  }
  return settings;
}

async function serve(
  options: ServeOptions,
  flags: Record<string, unknown>,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const { createService, isUnetConfig, listen, readConfiguration, shutDown } =
    await import("@ls/server");
  const configuration = await readConfiguration({ env: process.env, flags });
  const engineOptions = engineOptionsOf(options, configuration, isUnetConfig);
  const { reference, notices } = await chooseModel(engineOptions);
  for (const notice of notices) terminal.stderr.write(`${notice}\n`);
  await using service = await createService({
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
  await using listening = await listen({
    app: service.app,
    port: configuration.port,
    host: configuration.host,
  });
  terminal.stderr.write(`Listening on ${listening.url}\n`);
  await stopped(signal);
  await shutDown({ service, listening, drainSeconds: configuration.drainSeconds });
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
