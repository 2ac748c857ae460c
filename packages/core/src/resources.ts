/**
 * Things that are put away together, the last one first: what `AsyncDisposableStack` does in
 * runtimes newer than the oldest that is supported.
 */
export class Resources implements AsyncDisposable {
  readonly #items: AsyncDisposable[] = [];

  /** Takes charge of `item` and returns it. */
  use<T extends AsyncDisposable>(item: T): T {
    this.#items.push(item);
    return item;
  }

  /** Calls `release` when its turn comes. */
  defer(release: () => PromiseLike<void>): void {
    this.#items.push({ [Symbol.asyncDispose]: release });
  }

  /**
   * Puts everything away, whatever fails on the way; a second call does nothing.
   * @throws AggregateError of what failed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let item = this.#items.pop(); item !== undefined; item = this.#items.pop()) {
      try {
        await item[Symbol.asyncDispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "Parts could not be closed.");
  }
}
