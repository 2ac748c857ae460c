/** Progress of a run: a bar on a terminal, a line now and then elsewhere, or JSON. */
import { describePlan, type LipSyncEvent } from "@ls/core";
import type { GraphGroup } from "@ls/models";
import { createLogUpdate } from "log-update";
import { formatDuration, paint, type Terminal } from "./terminal.ts";

/** Something that a person should know, such as a licence or the seed that was drawn. */
export interface NoticeEvent {
  readonly type: "notice";
  readonly message: string;
}

/** A network is being converted, which happens once per checkpoint and runtime. */
export interface GraphEvent {
  readonly type: "graph";
  readonly network: GraphGroup;
  /** Bytes of weights that are written, of all. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What `infer` and `demo` report; with `--json`, one a line. */
export type ProgressEvent = LipSyncEvent | NoticeEvent | GraphEvent;

export interface ProgressReporter extends Disposable {
  report(event: ProgressEvent): void;
}

const STAGES = {
  load: "Loading the networks",
  speech: "Analysing the speech",
  frames: "Making frames",
  finish: "Finishing the file",
} as const;

/** How far the whole run is, from what the last events said. */
class RunState {
  stage: keyof typeof STAGES = "load";
  frames = 0;
  totalFrames = 0;
  doneSteps = 0;
  totalSteps = 0;
  elapsedSeconds = 0;
  remainingSeconds: number | undefined;
  #framesStart = 0;

  apply(event: LipSyncEvent): void {
    this.elapsedSeconds = event.elapsedSeconds;
    this.remainingSeconds = event.remainingSeconds ?? this.remainingSeconds;
    if (event.type === "stage") {
      this.stage = event.stage;
      if (event.stage === "frames") this.#framesStart = event.elapsedSeconds;
    } else if (event.type === "step") {
      // Chunks that are made at the same time report in turns.
      this.doneSteps = Math.max(this.doneSteps, event.chunk * event.steps + event.step);
      this.totalSteps = event.chunks * event.steps;
    } else if (event.type === "frames") {
      this.frames = event.frames;
      this.totalFrames = event.totalFrames;
    }
  }

  /** 0 to 1. */
  get fraction(): number {
    return this.totalSteps === 0 ? 0 : this.doneSteps / this.totalSteps;
  }

  get summary(): string {
    if (this.stage !== "frames" || this.totalSteps === 0) return STAGES[this.stage];
    const seconds = this.elapsedSeconds - this.#framesStart;
    const rate =
      this.frames > 0 && seconds > 0 ? `, ${(this.frames / seconds).toFixed(1)} fps` : "";
    const total = this.totalFrames === 0 ? "" : `/${this.totalFrames}`;
    const left =
      this.remainingSeconds === undefined ? "" : `, ${formatDuration(this.remainingSeconds)} left`;
    return `${Math.round(this.fraction * 100)} %, frame ${this.frames}${total}${rate}${left}`;
  }
}

function describeGraph({ network, bytesDone, bytesTotal }: GraphEvent): string {
  const percent = Math.floor((100 * bytesDone) / Math.max(1, bytesTotal));
  return `Converting ${network}, once for this model: ${percent} %`;
}

const BAR_WIDTH = 24;
/** A bar shorter than this says nothing. */
const LEAST_BAR_WIDTH = 4;
const STOPPING = "Stopping; Ctrl-C again to quit at once, which may leave a temporary folder.";

class TerminalProgress implements ProgressReporter {
  readonly #terminal: Terminal;
  readonly #signal: AbortSignal;
  readonly #line: ReturnType<typeof createLogUpdate>;
  readonly #state = new RunState();
  readonly #onAbort = (): void => this.#line(STOPPING);
  #disposed = false;

  constructor(terminal: Terminal, signal: AbortSignal) {
    this.#terminal = terminal;
    this.#signal = signal;
    this.#line = createLogUpdate(terminal.stderr);
    signal.addEventListener("abort", this.#onAbort);
    this.#line("Opening the model");
  }

  report(event: ProgressEvent): void {
    if (this.#disposed || this.#signal.aborted) return;
    if (event.type === "notice" || event.type === "plan") {
      this.#line.clear();
      const text = event.type === "plan" ? describePlan(event.plan) : event.message;
      this.#terminal.stderr.write(`${text}\n`);
    } else if (event.type === "graph") {
      this.#line(describeGraph(event));
    } else if (event.type !== "done") {
      this.#state.apply(event);
      this.#line(this.#bar());
    }
  }

  /** The bar takes what the summary leaves of the line. */
  #bar(): string {
    const { fraction, summary } = this.#state;
    const { columns = 80 } = this.#terminal.stderr;
    const width = Math.min(BAR_WIDTH, columns - summary.length - 2);
    if (width < LEAST_BAR_WIDTH) return summary;
    const filled = Math.round(fraction * width);
    // Another character as well: without colours nothing else tells the two parts apart.
    const rest = paint(this.#terminal.stderr, "dim", "─".repeat(width - filled));
    return `${"━".repeat(filled)}${rest} ${summary}`;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#line.clear();
    this.#line.done();
  }
}

/** Seconds between two lines where nobody is watching. */
const LINE_INTERVAL_SECONDS = 10;

class LineProgress implements ProgressReporter {
  readonly #terminal: Terminal;
  readonly #state = new RunState();
  readonly #converted = new Set<string>();
  #nextLine = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  report(event: ProgressEvent): void {
    const text = this.#describe(event);
    if (text !== undefined) this.#terminal.stderr.write(`${text}\n`);
  }

  #describe(event: ProgressEvent): string | undefined {
    if (event.type === "notice") return event.message;
    if (event.type === "plan") return describePlan(event.plan);
    if (event.type === "graph") {
      if (this.#converted.has(event.network)) return undefined;
      this.#converted.add(event.network);
      return `Converting ${event.network}, once for this model`;
    }
    this.#state.apply(event);
    const due = event.type === "stage" || event.elapsedSeconds >= this.#nextLine;
    if (!due || event.type === "done") return undefined;
    this.#nextLine = event.elapsedSeconds + LINE_INTERVAL_SECONDS;
    return this.#state.summary;
  }

  [Symbol.dispose](): void {}
}

class JsonProgress implements ProgressReporter {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  report(event: ProgressEvent): void {
    this.#terminal.stdout.write(`${JSON.stringify(event)}\n`);
  }

  [Symbol.dispose](): void {}
}

export interface ProgressOptions {
  readonly terminal: Terminal;
  /** One event per line on stdout, for programs. */
  readonly json: boolean;
  /** When it aborts, a person is told that the program is stopping. */
  readonly signal: AbortSignal;
}

export function createProgress({ terminal, json, signal }: ProgressOptions): ProgressReporter {
  if (json) return new JsonProgress(terminal);
  return terminal.stderr.isTTY === true
    ? new TerminalProgress(terminal, signal)
    : new LineProgress(terminal);
}
