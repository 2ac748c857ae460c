/** Notices a peer that is too slow; time that this side takes itself does not count. */

export interface TransferLimits {
  /** What a peer must bring or take, on average over `transferWindowMs`. */
  readonly minBytesPerSecond: number;
  readonly transferWindowMs: number;
}

export class TransferWatch {
  readonly #limits: TransferLimits;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | undefined;
  #stalled = false;
  #waitsSince = 0;
  #waitedMs = 0;
  #bytes = 0;

  /** @param onStall Called once the peer falls below the limit. */
  constructor(limits: TransferLimits, onStall: () => void) {
    this.#limits = limits;
    this.#onStall = onStall;
  }

  /** From now on it is the peer's turn. */
  wait(): void {
    if (this.#stalled) return;
    this.#waitsSince = performance.now();
    const restMs = Math.max(1, this.#limits.transferWindowMs - this.#waitedMs);
    this.#timer = setTimeout(() => {
      this.progress(0);
      this.wait();
    }, restMs);
  }

  /** The peer has brought or taken so many bytes. */
  progress(bytes: number): void {
    clearTimeout(this.#timer);
    this.#waitedMs += performance.now() - this.#waitsSince;
    this.#bytes += bytes;
    if (this.#waitedMs >= this.#limits.transferWindowMs) this.#judge();
  }

  /** It is not the peer's turn any more. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.pause();
    this.#stalled = true;
  }

  #judge(): void {
    const isFast = this.#bytes >= (this.#limits.minBytesPerSecond * this.#waitedMs) / 1000;
    this.#waitedMs = 0;
    this.#bytes = 0;
    if (isFast || this.#stalled) return;
    this.#stalled = true;
    this.#onStall();
  }
}
