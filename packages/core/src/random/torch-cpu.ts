/**
 * PyTorch's CPU generator: `torch.manual_seed(seed); torch.randn(n)`.
 * Source: aten/src/ATen/native/cpu/DistributionTemplates.h and core/DistributionsHelper.h at v2.5.1.
 * Difference: the blockwise path is PyTorch's AVX2 one on every machine.
 */
import { LatentSyncError } from "../errors.ts";
import { logFloat32, sinCosFloat32 } from "./cephes.ts";
import { Mt19937 } from "./mt19937.ts";
import type { NormalGenerator } from "./normal-generator.ts";

/** Fills of this size and more take PyTorch's blockwise path. */
const BLOCK = 16;
const TWO_PI = 2 * Math.PI;
const { fround } = Math;

class TorchCpuGenerator implements NormalGenerator {
  readonly #engine: Mt19937;
  /** The second number of the last Box-Muller pair, which only small draws use. */
  #spare: number | undefined;

  constructor(seed: number) {
    this.#engine = new Mt19937(seed);
  }

  randn(count: number): Float32Array {
    const values = new Float32Array(count);
    if (count < BLOCK) {
      for (let index = 0; index < count; index++) values[index] = this.#nextNormal();
      return values;
    }
    for (let index = 0; index < count; index++) values[index] = this.#uniformFloat();
    for (let start = 0; start + BLOCK <= count; start += BLOCK) boxMullerBlock(values, start);
    if (count % BLOCK !== 0) {
      // PyTorch draws the last 16 anew, over values that are finished already.
      const start = count - BLOCK;
      for (let index = start; index < count; index++) values[index] = this.#uniformFloat();
      boxMullerBlock(values, start);
    }
    return values;
  }

  /** [0, 1) with 24 random bits. */
  #uniformFloat(): number {
    return (this.#engine.next() & 0xffffff) * 2 ** -24;
  }

  /** [0, 1) with 53 random bits of two draws, the first one high. */
  #uniformDouble(): number {
    const high = this.#engine.next() & 0x1fffff;
    return (high * 2 ** 32 + this.#engine.next()) * 2 ** -53;
  }

  #nextNormal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const angle = TWO_PI * this.#uniformDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniformDouble()));
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

function boxMullerBlock(values: Float32Array, start: number): void {
  for (let index = start; index < start + BLOCK / 2; index++) {
    const logarithm = logFloat32(fround(1 - (values[index] as number)));
    const radius = fround(Math.sqrt(fround(-2 * logarithm)));
    const angle = fround(fround(TWO_PI) * (values[index + BLOCK / 2] as number));
    const [sine, cosine] = sinCosFloat32(angle);
    values[index] = radius * cosine;
    values[index + BLOCK / 2] = radius * sine;
  }
}

/**
 * `torch.Generator('cpu').manual_seed(seed)`: equal to PyTorch on x86-64 with AVX2, bit for bit.
 * @param seed a safe integer; as in PyTorch's Mersenne Twister only its low 32 bits count.
 * @throws LatentSyncError `invalid_argument`
 */
export function torchCpuGenerator(seed: number): NormalGenerator {
  if (!Number.isSafeInteger(seed)) {
    throw new LatentSyncError("invalid_argument", `seed must be an integer, but is ${seed}.`);
  }
  return new TorchCpuGenerator(Number(BigInt.asUintN(32, BigInt(seed))));
}
