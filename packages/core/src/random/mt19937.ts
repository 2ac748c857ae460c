/** The 32-bit Mersenne Twister (Matsumoto and Nishimura, 1998), as PyTorch's CPU generator runs it. */

const STATE_SIZE = 624;
const SHIFT_SIZE = 397;

export class Mt19937 {
  readonly #state = new Uint32Array(STATE_SIZE);
  #position = STATE_SIZE;

  /** @param seed the low 32 bits count, as in PyTorch. */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed >>> 0;
    for (let index = 1; index < STATE_SIZE; index++) {
      const previous = state[index - 1] as number;
      state[index] = Math.imul(1_812_433_253, previous ^ (previous >>> 30)) + index;
    }
  }

  /** The next number, 0 to 2^32 - 1. */
  next(): number {
    if (this.#position === STATE_SIZE) this.#refill();
    let value = this.#state[this.#position++] as number;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    value ^= value >>> 18;
    return value >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let index = 0; index < STATE_SIZE; index++) {
      const upper = (state[index] as number) & 0x80000000;
      const lower = (state[(index + 1) % STATE_SIZE] as number) & 0x7fffffff;
      const mixed = upper | lower;
      const shifted = state[(index + SHIFT_SIZE) % STATE_SIZE] as number;
      state[index] = shifted ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.#position = 0;
  }
}
