/**
 * A trace as a file in Chrome's trace event format, which Perfetto and chrome://tracing open. It is
 * written as it comes and needs no end, so that the trace of a run that crashed can be read too.
 * Source: "Trace Event Format", JSON array form.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { TraceSpan, Tracer } from "@ls/core";

/** How busy a device was, from its first network to its last. */
export interface DeviceUse {
  readonly device: string;
  readonly busySeconds: number;
  readonly totalSeconds: number;
}

type Details = Readonly<Record<string, unknown>>;

const PROCESS = 1;
const MICROSECONDS = 1000;
/** Text is written when there is so much of it, or so long after it was last. */
const BUFFER_LENGTH = 64 * 1024;
const FLUSH_INTERVAL_MS = 1000;
/** Of one track, when they are put in order. */
const MAX_ROWS = 1000;

/** One row of the picture: spans that do not overlap. */
interface Row {
  readonly thread: number;
  endMs: number;
}

export class TraceFile implements Tracer, Disposable {
  readonly #file: number;
  readonly #rows = new Map<string, Row[]>();
  readonly #use = new Map<string, { startMs: number; endMs: number; busyMs: number }>();
  #threads = 0;
  #text = "[\n";
  #writtenMs = performance.now();
  #failure: Error | undefined;

  /**
   * @param path is replaced.
   * @param metadata versions and settings, shown with the process.
   * @throws the system's error if the file cannot be made.
   */
  constructor(path: string, metadata: Details) {
    this.#file = openSync(path, "w");
    this.#event({ ph: "M", name: "process_name", args: { name: "latentsync-ts" } });
    this.#event({ ph: "i", name: "settings", tid: 0, ts: 0, s: "g", args: metadata });
    this.#flush();
  }

  /** What went wrong when the trace was written: it must not end the run. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get deviceUse(): readonly DeviceUse[] {
    return [...this.#use].map(([device, { startMs, endMs, busyMs }]) => ({
      device,
      busySeconds: busyMs / 1000,
      totalSeconds: (endMs - startMs) / 1000,
    }));
  }

  record({ track, kind, name, startMs, endMs, details }: TraceSpan): void {
    if (kind === "model") this.#count(track, startMs, endMs);
    this.#event({
      ph: "X",
      name,
      cat: kind,
      tid: this.#threadOf(track, startMs, endMs),
      ts: startMs * MICROSECONDS,
      dur: (endMs - startMs) * MICROSECONDS,
      ...(details === undefined ? {} : { args: details }),
    });
    const isDue = performance.now() - this.#writtenMs > FLUSH_INTERVAL_MS;
    if (isDue || this.#text.length > BUFFER_LENGTH) this.#flush();
  }

  [Symbol.dispose](): void {
    this.#text += "{}]\n";
    this.#flush();
    closeSync(this.#file);
  }

  #count(device: string, startMs: number, endMs: number): void {
    const use = this.#use.get(device) ?? { startMs, endMs, busyMs: 0 };
    use.endMs = endMs;
    use.busyMs += endMs - startMs;
    this.#use.set(device, use);
  }

  /** Spans come in the order of their ends, so a row is free if its last one ended before this began. */
  #threadOf(track: string, startMs: number, endMs: number): number {
    const rows = this.#rows.get(track) ?? [];
    this.#rows.set(track, rows);
    const free = rows.find((row) => row.endMs <= startMs);
    if (free !== undefined) {
      free.endMs = endMs;
      return free.thread;
    }
    const thread = ++this.#threads;
    rows.push({ thread, endMs });
    const name = rows.length === 1 ? track : `${track} ${rows.length}`;
    // Rows of a track stay together.
    const place = [...this.#rows.keys()].indexOf(track) * MAX_ROWS + rows.length;
    this.#event({ ph: "M", name: "thread_name", tid: thread, args: { name } });
    this.#event({ ph: "M", name: "thread_sort_index", tid: thread, args: { sort_index: place } });
    return thread;
  }

  #event(event: Details): void {
    this.#text += `${JSON.stringify({ pid: PROCESS, ...event })},\n`;
  }

  #flush(): void {
    const text = this.#text;
    this.#text = "";
    this.#writtenMs = performance.now();
    if (this.#failure !== undefined) return;
    try {
      writeSync(this.#file, text);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** A line for people: `cpu busy 97.3 % of 12.4 s`. */
export function describeUse(use: readonly DeviceUse[]): string {
  return use
    .map(({ device, busySeconds, totalSeconds }) => {
      const share = totalSeconds === 0 ? 100 : (100 * busySeconds) / totalSeconds;
      return `${device} busy ${share.toFixed(1)} % of ${totalSeconds.toFixed(1)} s`;
    })
    .join(", ");
}
