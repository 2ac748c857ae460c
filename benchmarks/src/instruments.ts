/** What the hardware says of itself while it works: energy, and the memory of a GPU. */
import { spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Of one run, or the median and the most of several. */
export interface DeviceFigures {
  /** Energy of processor packages and GPU, as far as they tell it. */
  readonly joules?: number;
  /** Memory in use on the GPU at most, by all processes, in bytes. */
  readonly peakMemoryBytes?: number;
}

export interface Reading {
  /** What has happened since the reading began. */
  stop(): Promise<DeviceFigures>;
}

export interface Instruments extends AsyncDisposable {
  start(): Promise<Reading>;
}

export interface InstrumentOptions {
  /** Program that reports the GPU: `nvidia-smi`, or a stand-in. */
  readonly nvidiaSmi?: readonly [program: string, ...args: string[]];
  /** Where Linux shows processors' energy counters. */
  readonly powercapFolder?: string;
}

const SAMPLE_MS = 50;
const NVIDIA_SMI = [
  "nvidia-smi",
  "--query-gpu=memory.used,power.draw",
  "--format=csv,noheader,nounits",
  `--loop-ms=${SAMPLE_MS}`,
] as const;
const POWERCAP = "/sys/class/powercap";
/** Long enough for a driver that must wake up. */
const FIRST_SAMPLE_MS = 3000;

/** Opens what instruments there are; with none of them, readings are empty. */
export async function openInstruments(options: InstrumentOptions = {}): Promise<Instruments> {
  const { nvidiaSmi = NVIDIA_SMI, powercapFolder = POWERCAP } = options;
  const packages = await readablePackages(powercapFolder);
  const gpu = await GpuSampler.open(nvidiaSmi);
  return {
    async start() {
      const before = await readCounters(packages);
      const since = performance.now();
      gpu?.begin();
      return {
        async stop() {
          const seconds = (performance.now() - since) / 1000;
          const joules = energyBetween(packages, before, await readCounters(packages));
          const sampled = gpu?.end();
          const drawn = sampled?.watts === undefined ? undefined : sampled.watts * seconds;
          return {
            ...(joules === undefined && drawn === undefined
              ? {}
              : { joules: (joules ?? 0) + (drawn ?? 0) }),
            ...(sampled === undefined ? {} : { peakMemoryBytes: sampled.peakMemoryBytes }),
          };
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await gpu?.[Symbol.asyncDispose]();
    },
  };
}

/** A processor package's energy counter, which starts over at its range. */
interface EnergyCounter {
  readonly path: string;
  readonly rangeMicrojoules: number;
}

/** Packages alone: their parts, such as `intel-rapl:0:1`, are counted in them. */
async function readablePackages(folder: string): Promise<EnergyCounter[]> {
  const entries = await readdir(folder).catch(() => []);
  const counters = entries
    .filter((entry) => /^intel-rapl:\d+$/.test(entry))
    .map(async (entry) => {
      const path = join(folder, entry, "energy_uj");
      const range = await readNumber(join(folder, entry, "max_energy_range_uj"));
      const isReadable = (await readNumber(path)) !== undefined;
      return isReadable && range !== undefined ? [{ path, rangeMicrojoules: range }] : [];
    });
  return (await Promise.all(counters)).flat();
}

async function readNumber(path: string): Promise<number | undefined> {
  try {
    const value = Number((await readFile(path, "utf8")).trim());
    return Number.isFinite(value) ? value : undefined;
  } catch {
    // Absent, or readable by root only.
    return undefined;
  }
}

function readCounters(counters: readonly EnergyCounter[]): Promise<(number | undefined)[]> {
  return Promise.all(counters.map(({ path }) => readNumber(path)));
}

function energyBetween(
  counters: readonly EnergyCounter[],
  before: readonly (number | undefined)[],
  after: readonly (number | undefined)[],
): number | undefined {
  if (counters.length === 0) return undefined;
  let microjoules = 0;
  for (const [index, { rangeMicrojoules }] of counters.entries()) {
    const [was, is] = [before[index], after[index]];
    if (was === undefined || is === undefined) return undefined;
    microjoules += is >= was ? is - was : is - was + rangeMicrojoules;
  }
  return microjoules / 1e6;
}

interface GpuSample {
  readonly memoryBytes: number;
  readonly watts: number | undefined;
}

/** Keeps the samples of the first GPU that a running `nvidia-smi` prints. */
class GpuSampler implements AsyncDisposable {
  readonly #stop: () => Promise<void>;
  #latest: GpuSample;
  #samples: GpuSample[] = [];

  private constructor(first: GpuSample, stop: () => Promise<void>) {
    this.#latest = first;
    this.#stop = stop;
  }

  /** `undefined` where there is no such program, or it knows no GPU. */
  static open([program, ...args]: readonly [string, ...string[]]): Promise<GpuSampler | undefined> {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    const ended = new Promise<void>((done) => {
      child.on("error", () => done());
      child.on("close", () => done());
    });
    const stop = async (): Promise<void> => {
      child.kill();
      await ended;
    };
    return new Promise((opened) => {
      let sampler: GpuSampler | undefined;
      const giveUp = (): void => {
        clearTimeout(timer);
        if (sampler === undefined) void stop();
        opened(sampler);
      };
      const timer = setTimeout(giveUp, FIRST_SAMPLE_MS);
      void ended.then(giveUp);
      createInterface({ input: child.stdout }).on("line", (line) => {
        const sample = parseSample(line);
        if (sample === undefined) return;
        if (sampler !== undefined) sampler.#take(sample);
        else {
          sampler = new GpuSampler(sample, stop);
          giveUp();
        }
      });
    });
  }

  begin(): void {
    this.#samples = [this.#latest];
  }

  end(): { readonly peakMemoryBytes: number; readonly watts: number | undefined } {
    const samples = this.#samples;
    // The first one was taken before the work began: it counts only where there is no other.
    const during = samples.length > 1 ? samples.slice(1) : samples;
    const powers = during.flatMap(({ watts }) => (watts === undefined ? [] : [watts]));
    const sum = powers.reduce((total, watts) => total + watts, 0);
    return {
      peakMemoryBytes: Math.max(...during.map(({ memoryBytes }) => memoryBytes)),
      watts: powers.length === 0 ? undefined : sum / powers.length,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }

  #take(sample: GpuSample): void {
    this.#latest = sample;
    this.#samples.push(sample);
  }
}

const MEBIBYTE = 1024 ** 2;

/** `"1234, 87.50"`: MiB and W; power is `[N/A]` on some. */
function parseSample(line: string): GpuSample | undefined {
  const [memory = "", power = ""] = line.split(",").map((part) => part.trim());
  const mebibytes = Number.parseFloat(memory);
  if (!Number.isFinite(mebibytes)) return undefined;
  const watts = Number.parseFloat(power);
  return {
    memoryBytes: mebibytes * MEBIBYTE,
    watts: Number.isFinite(watts) ? watts : undefined,
  };
}
