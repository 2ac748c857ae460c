import { type Command, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import { decimal, integer, jsonOption } from "../options.ts";
import {
  type Estimate,
  estimate,
  type Hardware,
  HOURS_PER_MONTH,
  MEASURED_HARDWARE,
} from "../service/estimate.ts";
import { paint, type Terminal } from "../terminal.ts";

const ASSUMPTIONS = [
  "l4, a100, a100-40g: times and prices that earlier deployments of the Python service measured.",
  "Wait: M/M/c, cold starts not counted. Kept running: all instances are paid around the clock.",
  `Per use: from every video finding a running instance to every one starting its own. Month: ${HOURS_PER_MONTH} hours.`,
] as const;

const MOST = 1_000_000;

interface EstimateOptions {
  readonly videosPerHour: number;
  readonly hardware?: string;
  readonly secondsPerVideo?: number;
  readonly price?: number;
  readonly coldStart?: number;
  readonly utilization: number;
  readonly maxInstances?: number;
  readonly json?: boolean;
}

export function addDeployCommand(program: Command, context: CommandContext): void {
  const deploy = program.command("deploy").description("plan a deployment of the service");
  deploy
    .command("estimate")
    .description("instances, waiting time and cost for a load of jobs")
    .option("--videos-per-hour <n>", "jobs that arrive, on average", decimal(0.001, MOST), 160)
    .addOption(
      new Option("--hardware <name>", "one of the measured; default: compare all").choices(
        MEASURED_HARDWARE.map(({ name }) => name),
      ),
    )
    .option("--seconds-per-video <s>", "your own processing time", decimal(0.001, MOST))
    .option("--price <dollars>", "your own price of an instance per hour", decimal(0, MOST))
    .option("--cold-start <s>", "your own time from start to first job", decimal(0, MOST))
    .option("--utilization <share>", "how busy instances should be", decimal(0.01, 0.99), 0.8)
    .option("--max-instances <n>", "most instances that may run", integer(1, MOST))
    .addOption(jsonOption())
    .action((options: EstimateOptions) => printEstimates(options, context.terminal));
}

function printEstimates(options: EstimateOptions, { stdout }: Terminal): void {
  const { videosPerHour, utilization: targetUtilization, maxInstances } = options;
  const load = { videosPerHour, targetUtilization, maxInstances };
  const estimates = chooseHardware(options).map((hardware) => estimate(hardware, load));
  if (options.json === true) {
    stdout.write(`${JSON.stringify({ load, estimates, assumptions: ASSUMPTIONS })}\n`);
    return;
  }
  const rows = estimates.map(formatRow);
  const widths = HEADING.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ");
  const limit = maxInstances === undefined ? "" : `, at most ${maxInstances} instances`;
  const lines = [
    `${videosPerHour} videos an hour${limit}`,
    "",
    paint(stdout, "bold", line(HEADING)),
    ...rows.map(line),
    "",
    ...ASSUMPTIONS,
  ];
  stdout.write(`${lines.join("\n")}\n`);
}

/** Figures of one's own replace the measured ones; a price and a time together make a row of their own. */
function chooseHardware(options: EstimateOptions): readonly Hardware[] {
  const { hardware, secondsPerVideo, price, coldStart } = options;
  const own = {
    ...(secondsPerVideo === undefined ? {} : { secondsPerVideo }),
    ...(price === undefined ? {} : { dollarsPerHour: price }),
    ...(coldStart === undefined ? {} : { coldStartSeconds: coldStart }),
  };
  if (hardware === undefined && secondsPerVideo !== undefined && price !== undefined) {
    return [
      { name: "own", secondsPerVideo, dollarsPerHour: price, coldStartSeconds: coldStart ?? 0 },
    ];
  }
  return MEASURED_HARDWARE.filter(({ name }) => name === (hardware ?? name)).map((measured) =>
    Object.assign({}, measured, own),
  );
}

const HEADING = [
  "hardware",
  "instances",
  "videos/h at most",
  "busy",
  "mean wait",
  "95% wait",
  "$/video kept running",
  "$/video per use",
  "$/month kept running",
  "$/month per use",
] as const;

function formatRow(result: Estimate): readonly string[] {
  const { waitSeconds: wait, dollarsPerVideo, dollarsPerMonth } = result;
  const seconds = (value: number | undefined): string =>
    value === undefined ? "grows" : `${Math.round(value)} s`;
  const cents = (value: number): string => value.toFixed(2);
  const whole = (value: number): string => value.toFixed(0);
  return [
    result.hardware.name,
    String(result.instances),
    whole(result.capacityPerHour),
    `${whole(result.utilization * 100)} %`,
    seconds(wait?.mean),
    seconds(wait?.p95),
    cents(dollarsPerVideo.keptRunning),
    `${cents(dollarsPerVideo.perUse)}-${cents(dollarsPerVideo.perUseCold)}`,
    whole(dollarsPerMonth.keptRunning),
    `${whole(dollarsPerMonth.perUse)}-${whole(dollarsPerMonth.perUseCold)}`,
  ];
}
