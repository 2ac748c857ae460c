/** What a machine is, as far as it decides how fast networks run on it. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

export interface GpuDescription {
  readonly name: string;
  readonly driver: string;
  readonly memoryBytes: number;
  /** Of its driver; `undefined` if it does not tell. */
  readonly cuda?: string;
  /** Dense half-precision rate that its maker states, in operations per second, where known here. */
  readonly statedFlopsPerSecond?: number;
}

export interface Hardware {
  /** Instruction sets that matter for networks, such as `avx512f` and `amx_bf16`. */
  readonly cpuFlags: readonly string[];
  readonly gpus: readonly GpuDescription[];
}

/**
 * Dense float16 rates of tensor cores with float32 sums, in TFLOP/s, from the makers' data sheets.
 * The first whose words are all in a GPU's name is meant.
 */
const STATED_TFLOPS: readonly (readonly [words: string, teraflops: number])[] = [
  ["H200", 989],
  ["H100 PCIe", 756],
  ["H100", 989],
  ["A100", 312],
  ["L40S", 362],
  ["L4", 121],
  ["A10G", 70],
  ["A10", 125],
  ["T4", 65],
  ["V100", 125],
  ["RTX 4090", 165],
  ["RTX 3090", 71],
];

const CPU_FLAGS: ReadonlySet<string> = new Set([
  ...["avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"],
  ...["avx_vnni", "amx_tile", "amx_bf16", "amx_int8", "amx_fp16"],
  ...["asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"],
]);

const MEBIBYTE = 1024 ** 2;

/** Never fails: what a machine does not tell is left out. */
export async function readHardware(
  options: {
    readonly cpuInfoPath?: string;
    readonly nvidiaSmi?: string;
  } = {},
): Promise<Hardware> {
  const { cpuInfoPath = "/proc/cpuinfo", nvidiaSmi = "nvidia-smi" } = options;
  const cpuInfo = await readFile(cpuInfoPath, "utf8").catch(() => "");
  return { cpuFlags: parseCpuFlags(cpuInfo), gpus: await readGpus(nvidiaSmi) };
}

/** The first processor's flags, of `/proc/cpuinfo` on x86 and ARM. */
export function parseCpuFlags(cpuInfo: string): readonly string[] {
  const [, flags = ""] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuInfo) ?? [];
  return flags.split(/\s+/).filter((flag) => CPU_FLAGS.has(flag));
}

async function readGpus(program: string): Promise<GpuDescription[]> {
  const list = await output(program, [
    "--query-gpu=name,driver_version,memory.total",
    "--format=csv,noheader,nounits",
  ]);
  if (list.trim() === "") return [];
  const [, cuda] = /CUDA Version:\s*([\d.]+)/.exec(await output(program, [])) ?? [];
  return parseGpus(list, cuda);
}

/** Lines of `name, driver, MiB`. */
export function parseGpus(list: string, cuda: string | undefined): GpuDescription[] {
  return list
    .trim()
    .split("\n")
    .map((line) => parseGpu(line, cuda));
}

function parseGpu(line: string, cuda: string | undefined): GpuDescription {
  const [name = "", driver = "", memory = ""] = line.split(",").map((part) => part.trim());
  const stated = STATED_TFLOPS.find(([words]) => includesWords(name, words))?.[1];
  return {
    ...{ name, driver, memoryBytes: Number(memory) * MEBIBYTE },
    ...(cuda === undefined ? {} : { cuda }),
    ...(stated === undefined ? {} : { statedFlopsPerSecond: stated * 1e12 }),
  };
}

function includesWords(name: string, words: string): boolean {
  const known = new Set(name.split(/[\s-]+/));
  return words.split(" ").every((word) => known.has(word));
}

const TIMEOUT_MS = 10_000;

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((done) => {
    execFile(program, args, { timeout: TIMEOUT_MS }, (error, stdout) =>
      done(error === null ? stdout : ""),
    );
  });
}
