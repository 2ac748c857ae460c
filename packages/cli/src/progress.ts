import type { LipSyncEvent } from "@ls/core";
/** Progress of a run: a bar on a terminal, a line now and then elsewhere, or JSON. */
import { createLogUpdate } from "log-update";
import { formatDuration, paint, type Terminal } from "./terminal.ts";

export interface ProgressReporter extends Disposable {
  report(event: LipSyncEvent): void;
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
      this.doneSteps = event.chunk * event.steps + event.step;
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

const BAR_WIDTH = 24;

class TerminalProgress implements ProgressReporter {
  readonly #terminal: Terminal;
  readonly #line: ReturnType<typeof createLogUpdate>;
  readonly #state = new RunState();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#line = createLogUpdate(terminal.stderr as NodeJS.WriteStream);
  }

  report(event: LipSyncEvent): void {
    this.#state.apply(event);
    if (event.type === "done") return;
    const filled = Math.round(this.#state.fraction * BAR_WIDTH);
    const bar = "━".repeat(filled);
    const rest = paint(this.#terminal.stderr, "dim", "━".repeat(BAR_WIDTH - filled));
    this.#line(`${bar}${rest} ${this.#state.summary}`);
  }

  [Symbol.dispose](): void {
    this.#line.clear();
    this.#line.done();
  }
}

/** Seconds between two lines where nobody is watching. */
const LINE_INTERVAL_SECONDS = 10;

class LineProgress implements ProgressReporter {
  readonly #terminal: Terminal;
  readonly #state = new RunState();
  #nextLine = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  report(event: LipSyncEvent): void {
    this.#state.apply(event);
    const due = event.type === "stage" || event.elapsedSeconds >= this.#nextLine;
    if (!due || event.type === "done") return;
    this.#nextLine = event.elapsedSeconds + LINE_INTERVAL_SECONDS;
    this.#terminal.stderr.write(`${this.#state.summary}\n`);
  }

  [Symbol.dispose](): void {}
}

class JsonProgress implements ProgressReporter {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  report(event: LipSyncEvent): void {
    this.#terminal.stdout.write(`${JSON.stringify(event)}\n`);
  }

  [Symbol.dispose](): void {}
}

/** @param json one event per line on stdout, for programs. */
export function createProgress(terminal: Terminal, json: boolean): ProgressReporter {
  if (json) return new JsonProgress(terminal);
  return terminal.stderr.isTTY === true
    ? new TerminalProgress(terminal)
    : new LineProgress(terminal);
}
