import type { BareEvent, LipSyncEvent } from "./events.ts";

/** Stamps events with elapsed and remaining time. */
export class ProgressClock {
  readonly #start = performance.now();
  #firstStep: number | undefined;
  #doneSteps = 0;
  #totalSteps: number | undefined;

  set totalSteps(steps: number) {
    this.#totalSteps = steps;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  stamp(event: BareEvent): LipSyncEvent {
    if (event.type === "chunk") this.#firstStep ??= performance.now();
    if (event.type === "step") this.#doneSteps += 1;
    const { elapsedSeconds } = this;
    return { ...event, elapsedSeconds, remainingSeconds: this.#remainingSeconds() };
  }

  #remainingSeconds(): number | undefined {
    if (this.#firstStep === undefined || this.#totalSteps === undefined || this.#doneSteps === 0) {
      return undefined;
    }
    const secondsPerStep = (performance.now() - this.#firstStep) / 1000 / this.#doneSteps;
    return Math.max(0, this.#totalSteps - this.#doneSteps) * secondsPerStep;
  }
}
