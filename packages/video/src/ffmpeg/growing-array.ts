/** A typed array that grows by doubling. */
export class GrowingArray {
  #values: Float64Array | Uint32Array;
  length = 0;

  constructor(values: Float64Array | Uint32Array) {
    this.#values = values;
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new (this.#values.constructor as Float64ArrayConstructor)(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length] = value;
    this.length += 1;
  }

  /** NaN past the end. */
  at(index: number): number {
    return index < this.length ? (this.#values[index] as number) : Number.NaN;
  }
}
