/** Spans around the stages of a run. Without a tracer the work runs as it is. */
import type { Tracer, TraceSpan } from "../trace.ts";

/** A span of a stage, before it is known how long it takes. */
export type StageSpan = Pick<TraceSpan, "track" | "name" | "details">;

/** Runs `work` and records how long it took; work that fails is recorded as well. */
export async function traced<T>(
  tracer: Tracer | undefined,
  span: StageSpan,
  work: () => PromiseLike<T>,
): Promise<T> {
  if (tracer === undefined) return work();
  const startMs = performance.now();
  try {
    return await work();
  } finally {
    tracer.record({ ...span, kind: "stage", startMs, endMs: performance.now() });
  }
}

/** As {@link traced}, for work that blocks the calling thread. */
export function tracedSync<T>(tracer: Tracer | undefined, span: StageSpan, work: () => T): T {
  if (tracer === undefined) return work();
  const startMs = performance.now();
  const result = work();
  tracer.record({ ...span, kind: "stage", startMs, endMs: performance.now() });
  return result;
}

/** The items of `source`, with a span for the time that each was waited for. */
export function tracedItems<T>(
  tracer: Tracer | undefined,
  track: string,
  source: AsyncIterable<T>,
): AsyncIterable<T> {
  return tracer === undefined ? source : recordItems(tracer, track, source);
}

async function* recordItems<T>(
  tracer: Tracer,
  track: string,
  source: AsyncIterable<T>,
): AsyncGenerator<T> {
  let startMs = performance.now();
  let item = 0;
  for await (const value of source) {
    const details = { item };
    item += 1;
    tracer.record({
      track,
      name: track,
      kind: "stage",
      startMs,
      endMs: performance.now(),
      details,
    });
    yield value;
    startMs = performance.now();
  }
}
