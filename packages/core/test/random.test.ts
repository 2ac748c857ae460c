import { hasReference, readGoldenTensors, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { Mt19937 } from "../src/random/mt19937.ts";
import { philox4x32 } from "../src/random/philox.ts";
import { torchCpuGenerator } from "../src/random/torch-cpu.ts";
import { torchCudaGenerator } from "../src/random/torch-cuda.ts";

describe("Mt19937", () => {
  it("gives the 10,000th number that the C++ standard requires of mt19937", () => {
    const engine = new Mt19937(5489);
    for (let draw = 1; draw < 10_000; draw++) engine.next();
    expect(engine.next()).toBe(4_123_659_995);
  });
});

describe("philox4x32-10", () => {
  // The known answers that Random123 publishes.
  it.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)("maps $counter under $key to the published words", ({ counter, key, words }) => {
    expect(philox4x32(counter, key)).toEqual(words);
  });
});

describe.skipIf(!hasReference)(referenceTitle("torch_randn_seed1247.safetensors"), () => {
  it("draws what torch.randn draws on the CPU, bit for bit", () => {
    const generator = torchCpuGenerator(1247);
    for (const [name, golden] of readGoldenTensors(reference("torch_randn_seed1247.safetensors"))) {
      const drawn = generator.randn(golden.data.length);
      expect(drawn, name).toEqual(golden.data);
    }
  });
});

const generators = [
  ["CPU", () => torchCpuGenerator(7)],
  ["CUDA", () => torchCudaGenerator(7, { multiprocessors: 132, threadsPerMultiprocessor: 2048 })],
] as const;

describe.each(generators)("the generator of PyTorch on %s", (_, create) => {
  it.each([1, 15, 16, 17, 1000, 40_000])(
    "draws %i standard normal numbers, always the same",
    (count) => {
      const drawn = create().randn(count);
      expect(drawn).toHaveLength(count);
      expect(create().randn(count)).toEqual(drawn);
      const mean = drawn.reduce((sum, value) => sum + value, 0) / count;
      const variance = drawn.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
      if (count >= 1000) {
        expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(count));
        expect(Math.abs(variance - 1)).toBeLessThan(8 / Math.sqrt(count));
      }
    },
  );

  it("goes on where it stopped", () => {
    const generator = create();
    expect(generator.randn(64)).not.toEqual(generator.randn(64));
  });
});

describe("the CUDA generator", () => {
  const device = { multiprocessors: 1, threadsPerMultiprocessor: 256 };

  it("hands out numbers by thread: element i of a small draw is the first of thread i", () => {
    const few = torchCudaGenerator(99, device).randn(10);
    const more = torchCudaGenerator(99, device).randn(200);
    expect(more.subarray(0, 10)).toEqual(few);
  });

  it("strides over resident threads once a draw is larger than them", () => {
    const small = torchCudaGenerator(99, device).randn(1024);
    const large = torchCudaGenerator(99, device).randn(3000);
    expect(large.subarray(0, 1024)).toEqual(small);
    const next = torchCudaGenerator(99, device);
    next.randn(1024);
    expect(large.subarray(1024, 2048)).toEqual(next.randn(1024));
  });
});

it.each([1.5, Number.NaN, 2 ** 60])("refuses %d as a seed", (seed) => {
  expect(() => torchCpuGenerator(seed)).toThrow(/seed must be an integer/);
});
