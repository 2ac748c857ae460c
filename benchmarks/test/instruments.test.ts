import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCpuFlags, parseGpus, readHardware } from "../src/hardware.ts";
import { openInstruments } from "../src/instruments.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-instruments-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeCounter(name: string, microjoules: number): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, "energy_uj"), `${microjoules}\n`);
  await writeFile(join(folder, name, "max_energy_range_uj"), "10000000\n");
}

/** Prints like `nvidia-smi --loop-ms`, and goes on until it is stopped. */
const fakeSmi = (line: string): readonly [string, ...string[]] => [
  process.execPath,
  "--eval",
  `setInterval(() => console.log(${JSON.stringify(line)}), 10)`,
];
const NO_SMI = ["/no/such/nvidia-smi"] as const;

describe("instruments", () => {
  it("add up processor packages, whose counters start over, and leave out their parts", async () => {
    await writeCounter("intel-rapl:0", 9_000_000);
    await writeCounter("intel-rapl:1", 1_000_000);
    await writeCounter("intel-rapl:0:0", 0);
    await using instruments = await openInstruments({ nvidiaSmi: NO_SMI, powercapFolder: folder });
    const reading = await instruments.start();
    await writeCounter("intel-rapl:0", 2_000_000);
    await writeCounter("intel-rapl:1", 1_500_000);
    await writeCounter("intel-rapl:0:0", 5_000_000);
    expect(await reading.stop()).toEqual({ joules: 3.5 });
  });

  it("sample a GPU's memory and power", async () => {
    const nvidiaSmi = fakeSmi("2048, 100.00");
    await using instruments = await openInstruments({ nvidiaSmi, powercapFolder: "/no/where" });
    const reading = await instruments.start();
    await sleep(60);
    const { joules, peakMemoryBytes } = await reading.stop();
    expect(peakMemoryBytes).toBe(2 * 1024 ** 3);
    expect(joules).toBeGreaterThan(5);
  });

  it("do without the power that a GPU does not tell", async () => {
    const nvidiaSmi = fakeSmi("512, [N/A]");
    await using instruments = await openInstruments({ nvidiaSmi, powercapFolder: "/no/where" });
    const reading = await instruments.start();
    expect(await reading.stop()).toEqual({ peakMemoryBytes: 512 * 1024 ** 2 });
  });

  it("tell nothing where there are none", async () => {
    await using instruments = await openInstruments({
      nvidiaSmi: NO_SMI,
      powercapFolder: "/no/where",
    });
    const reading = await instruments.start();
    expect(await reading.stop()).toEqual({});
  });
});

describe("hardware", () => {
  it("is read from what the system says", async () => {
    const cpuInfoPath = join(folder, "cpuinfo");
    await writeFile(cpuInfoPath, "model name : X\nflags\t\t: fpu avx2 amx_bf16 hypervisor\n");
    expect(await readHardware({ cpuInfoPath, nvidiaSmi: NO_SMI[0] })).toEqual({
      cpuFlags: ["avx2", "amx_bf16"],
      gpus: [],
    });
    expect(parseCpuFlags("Features : fp asimd bf16 crc32\n")).toEqual(["asimd", "bf16"]);
    expect(parseCpuFlags("")).toEqual([]);
  });

  it("has the maker's rate of GPUs that are known", () => {
    const list = [
      "NVIDIA H100 80GB HBM3, 580.1, 81559",
      "NVIDIA H100 PCIe, 580.1, 81559",
      "NVIDIA L4, 580.1, 23034",
      "Some GPU, 1.0, 1024",
    ].join("\n");
    const gpus = parseGpus(list, "13.0");
    expect(gpus.map(({ statedFlopsPerSecond }) => statedFlopsPerSecond)).toEqual([
      ...[989e12, 756e12, 121e12, undefined],
    ]);
    expect(gpus[3]).toEqual({
      ...{ name: "Some GPU", driver: "1.0", memoryBytes: 1024 ** 3, cuda: "13.0" },
    });
  });
});
