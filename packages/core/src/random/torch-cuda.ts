/**
 * PyTorch's CUDA generator: `torch.manual_seed(seed); torch.randn(n, device="cuda")`, from the
 * published algorithm; which number goes where depends on the GPU once a draw is larger than its
 * resident threads.
 * Source: aten/src/ATen/native/cuda/DistributionTemplates.h at v2.5.1, and cuRAND's curand_normal4.
 */
import { LatentSyncError } from "../errors.ts";
import type { NormalGenerator } from "./normal-generator.ts";
import { type PhiloxKey, philox4x32 } from "./philox.ts";

const THREADS_PER_BLOCK = 256;
/** Numbers that one thread takes from one Philox call. */
const UNROLL = 4;
const TWO_POW_MINUS_32 = 2 ** -32;

/** What of a GPU decides the order of its random numbers. */
export interface CudaDeviceShape {
  /** Streaming multiprocessors: 132 on an H100 SXM, 108 on an A100, 128 on an RTX 4090. */
  readonly multiprocessors: number;
  /** Resident threads per multiprocessor: 2048 on A100 and H100, 1536 on consumer GPUs since Ampere. */
  readonly threadsPerMultiprocessor: number;
}

class TorchCudaGenerator implements NormalGenerator {
  readonly #key: PhiloxKey;
  readonly #maxBlocks: number;
  /** Philox calls that every thread has made, times four, as PyTorch counts its offset. */
  #offset = 0;

  constructor(seed: bigint, device: CudaDeviceShape) {
    this.#key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)];
    const blocksPerMultiprocessor = Math.floor(device.threadsPerMultiprocessor / THREADS_PER_BLOCK);
    this.#maxBlocks = device.multiprocessors * blocksPerMultiprocessor;
  }

  randn(count: number): Float32Array {
    const values = new Float32Array(count);
    if (count === 0) return values;
    const blocks = Math.min(Math.ceil(count / THREADS_PER_BLOCK), this.#maxBlocks);
    const threads = blocks * THREADS_PER_BLOCK;
    const callsPerThread = Math.ceil(count / (threads * UNROLL));
    for (let thread = 0; thread < threads; thread++) {
      for (let call = 0; call < callsPerThread; call++) {
        const first = thread + call * threads * UNROLL;
        if (first >= count) break;
        const normals = this.#normal4(thread, call);
        for (let lane = 0; lane < UNROLL && first + lane * threads < count; lane++) {
          values[first + lane * threads] = normals[lane] as number;
        }
      }
    }
    this.#offset += callsPerThread * UNROLL;
    return values;
  }

  #normal4(thread: number, call: number): readonly [number, number, number, number] {
    const block = this.#offset / UNROLL + call;
    const counterHigh = Math.floor(block * TWO_POW_MINUS_32);
    const [x, y, z, w] = philox4x32([block >>> 0, counterHigh, thread, 0], this.#key);
    const [first, second] = boxMuller(x, y);
    const [third, fourth] = boxMuller(z, w);
    return [first, second, third, fourth];
  }
}

/** cuRAND's pair: half a step is added so that the logarithm never sees zero; sine first. */
function boxMuller(x: number, y: number): readonly [number, number] {
  const { fround } = Math;
  const u = fround(fround(x * TWO_POW_MINUS_32) + TWO_POW_MINUS_32 / 2);
  const angle = fround(2 * Math.PI * fround(fround(y * TWO_POW_MINUS_32) + TWO_POW_MINUS_32 / 2));
  const radius = fround(Math.sqrt(-2 * Math.log(u)));
  return [radius * Math.sin(angle), radius * Math.cos(angle)];
}

/**
 * `torch.Generator('cuda').manual_seed(seed)` for float32 draws.
 * @param seed a safe integer.
 * @throws LatentSyncError `invalid_argument`
 */
export function torchCudaGenerator(seed: number, device: CudaDeviceShape): NormalGenerator {
  if (!Number.isSafeInteger(seed)) {
    throw new LatentSyncError("invalid_argument", `seed must be an integer, but is ${seed}.`);
  }
  return new TorchCudaGenerator(BigInt.asUintN(64, BigInt(seed)), device);
}
