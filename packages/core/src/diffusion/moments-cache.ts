/** Moments of a posterior, each `[4, h, h]`. */
export interface Moments {
  readonly mean: Float32Array;
  readonly logVariance: Float32Array;
}

/** What the VAE's encoder says of a face. */
export interface FaceMoments {
  readonly masked: Moments;
  readonly face: Moments;
}

/** Moments of the faces that were asked for last, within a budget of memory. */
export class MomentsCache {
  readonly #budgetBytes: number;
  readonly #entries = new Map<string, FaceMoments>();
  #bytes = 0;

  constructor(options: { readonly budgetBytes: number }) {
    this.#budgetBytes = options.budgetBytes;
  }

  get(key: string): FaceMoments | undefined {
    const found = this.#entries.get(key);
    if (found === undefined) return undefined;
    // A map keeps the order of insertion: what was asked for last comes last.
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  set(key: string, moments: FaceMoments): void {
    this.#drop(key);
    this.#entries.set(key, moments);
    this.#bytes += bytesOf(moments);
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#budgetBytes) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= bytesOf(entry);
  }
}

function bytesOf({ masked, face }: FaceMoments): number {
  return [masked, face].reduce(
    (sum, { mean, logVariance }) => sum + mean.byteLength + logVariance.byteLength,
    0,
  );
}
