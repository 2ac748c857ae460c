import type { Lane } from "./lane.ts";

/** A place on a lane for one batch; disposing it makes room for the next. */
export interface LaneSlot extends Disposable {
  readonly lane: Lane;
}

/** Lends lanes, each to a few batches at a time; who comes first is served first. */
export class LanePool {
  /** Slots that are free, by lane. */
  readonly #free = new Map<Lane, number>();
  readonly #waiting = new Set<PromiseWithResolvers<LaneSlot>>();
  #failure: { readonly error: unknown } | undefined;

  /** Adds a lane that is ready, with room for `slots` batches at a time. */
  add(lane: Lane, slots: number): void {
    for (let slot = 0; slot < slots; slot++) this.#release(lane);
  }

  /** No lane will come: whoever waits gets the error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  /** @throws the signal's reason; what {@link fail} was told. */
  async acquire(signal: AbortSignal): Promise<LaneSlot> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    const lane = this.#idlest();
    if (lane !== undefined) return this.#lend(lane);
    const waiting = Promise.withResolvers<LaneSlot>();
    const abort = (): void => {
      this.#waiting.delete(waiting);
      waiting.reject(signal.reason);
    };
    this.#waiting.add(waiting);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await waiting.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** The lane with most room, so that short videos use every device. */
  #idlest(): Lane | undefined {
    let idlest: Lane | undefined;
    let most = 0;
    for (const [lane, slots] of this.#free) {
      if (slots > most) [idlest, most] = [lane, slots];
    }
    return idlest;
  }

  #lend(lane: Lane): LaneSlot {
    this.#free.set(lane, (this.#free.get(lane) ?? 0) - 1);
    return { lane, [Symbol.dispose]: () => this.#release(lane) };
  }

  #release(lane: Lane): void {
    this.#free.set(lane, (this.#free.get(lane) ?? 0) + 1);
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next.resolve(this.#lend(lane));
  }
}
