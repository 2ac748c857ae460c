/**
 * Runs an async generator ahead of its consumer by up to `limit` items, so that the stages of a
 * pipeline overlap. When the consumer stops early, items that were made for it are released.
 */
export async function* prefetch<T>(
  source: AsyncIterable<T>,
  limit: number,
  release: (item: T) => void,
): AsyncGenerator<T> {
  const buffer: T[] = [];
  let wake = Promise.withResolvers<void>();
  let stopped = false;
  let ended = false;
  const signalChange = (): void => {
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  const changed = (): Promise<void> => wake.promise;

  const pump = async (): Promise<void> => {
    try {
      for await (const item of source) {
        if (stopped) {
          release(item);
          return;
        }
        buffer.push(item);
        signalChange();
        while (buffer.length >= limit && !stopped) await changed();
        if (stopped) return;
      }
    } finally {
      ended = true;
      signalChange();
    }
  };
  const pumping = pump();
  // The error is rethrown below; until then nobody listens.
  pumping.catch(() => undefined);

  try {
    for (;;) {
      const item = buffer.shift();
      if (item !== undefined) {
        signalChange();
        yield item;
      } else if (ended) {
        await pumping;
        return;
      } else {
        await changed();
      }
    }
  } finally {
    stopped = true;
    signalChange();
    await pumping.catch(() => undefined);
    for (const item of buffer.splice(0)) release(item);
  }
}
