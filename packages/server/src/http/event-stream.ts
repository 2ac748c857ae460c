/** A job's events as server-sent events, and its log as text. */
import type { JobEvent, JobRecord } from "../jobs/job.ts";

/** What clients wait before they connect again. */
const RECONNECT_MS = 2000;

/** Frames of `text/event-stream`, with a comment as a sign of life whenever nothing else came. */
export async function* eventFrames(
  events: AsyncIterable<JobEvent>,
  options: {
    readonly heartbeatMs: number;
    /** Told when the events have ended by themselves, as the last frame. */
    readonly finished: () => Promise<JobRecord | undefined>;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<string, void> {
  const { finished, heartbeatMs, signal } = options;
  const iterator = events[Symbol.asyncIterator]();
  yield `retry: ${RECONNECT_MS}\n\n`;
  let next = iterator.next();
  while (!signal.aborted) {
    const result = await settledWithin(next, heartbeatMs);
    if (result === undefined) {
      yield ": still here\n\n";
      continue;
    }
    if (result.done === true) break;
    yield eventFrame(result.value);
    next = iterator.next();
  }
  if (signal.aborted) return;
  const job = await finished();
  if (!job?.finishedAt) return;
  yield `event: end\ndata: ${JSON.stringify({ job_id: job.id, status: job.status })}\n\n`;
}

function eventFrame({ id, ...event }: JobEvent): string {
  return `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Lines of the log. Progress is left out. */
export async function* logLines(events: AsyncIterable<JobEvent>): AsyncGenerator<string, void> {
  for await (const event of events) {
    if (event.type === "log") {
      yield `${event.at} ${event.level.toUpperCase().padEnd(5)} ${event.message.replaceAll(/[\r\n]+/g, " ")}\n`;
    } else if (event.type === "status") {
      const attempt = event.attempt > 0 ? `, attempt ${event.attempt}` : "";
      yield `${event.at} INFO  ${event.status}${attempt}\n`;
    }
  }
}

/** `undefined` if it is not settled in time. */
async function settledWithin<T>(promise: Promise<T>, timeMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeMs, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A body that asks for each part when the last has gone. Nothing starts before somebody reads;
 * `abort` is called as soon as nobody does any more.
 */
export function lazyBody<T extends string | Uint8Array>(
  parts: AsyncIterable<T>,
  options: { readonly abort: () => void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let iterator: AsyncIterator<T, unknown> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        iterator ??= parts[Symbol.asyncIterator]();
        try {
          const next = await iterator.next();
          if (next.done === true) {
            controller.close();
            options.abort();
            return;
          }
          const part: string | Uint8Array = next.value;
          controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
        } catch (error) {
          controller.error(error);
          options.abort();
        }
      },
      async cancel() {
        options.abort();
        await iterator?.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
