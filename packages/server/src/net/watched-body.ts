import type { Readable } from "node:stream";
import { LatentSyncError } from "@ls/core";
import { toNetworkError } from "./network-error.ts";
import { type TransferLimits, TransferWatch } from "./transfer-watch.ts";

/** A peer that is too slow. */
export function tooSlow(host: string, limits: TransferLimits): LatentSyncError {
  return new LatentSyncError(
    "timeout",
    `${host} moves fewer than ${limits.minBytesPerSecond} bytes per second.`,
    { hint: "Try again later." },
  );
}

/**
 * The body of an answer that a library received, with the limits and errors of the connector.
 * @throws LatentSyncError `network`, `timeout`; the signal's reason on abort.
 */
export async function* watchedBody(
  body: Readable,
  options: {
    readonly url: URL;
    readonly limits: TransferLimits;
    readonly signal?: AbortSignal | undefined;
  },
): AsyncGenerator<Uint8Array> {
  const { url, limits, signal } = options;
  const watch = new TransferWatch(limits, () => body.destroy(tooSlow(url.host, limits)));
  const onAbort = (): void => void body.destroy(new Error("aborted"));
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    watch.wait();
    for await (const part of body as AsyncIterable<Uint8Array>) {
      watch.progress(part.length);
      yield part;
      watch.wait();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw toNetworkError(error, url);
  } finally {
    watch.stop();
    signal?.removeEventListener("abort", onAbort);
    body.destroy();
  }
}
