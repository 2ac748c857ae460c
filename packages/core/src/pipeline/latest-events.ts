/**
 * A queue between work and whoever watches it. Events of a kind that the watcher has not fetched yet
 * are replaced by newer ones of the same kind, so a slow watcher neither slows the work nor lets the
 * queue grow.
 */
export class LatestEvents<Event extends { readonly type: string }> implements AsyncIterable<Event> {
  readonly #waiting = new Map<string, Event>();
  #wake = Promise.withResolvers<void>();
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  push(key: string, event: Event): void {
    // Deleting first moves the key to the end: order of arrival is kept.
    this.#waiting.delete(key);
    this.#waiting.set(key, event);
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    for (;;) {
      for (const [key, event] of this.#waiting) {
        this.#waiting.delete(key);
        yield event;
      }
      if (this.#waiting.size > 0) continue;
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}
