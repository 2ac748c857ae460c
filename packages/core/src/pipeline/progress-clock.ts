import type { BareEvent, LipSyncEvent } from "./events.ts";

/** Stamps events with elapsed and remaining time. */
export class ProgressClock {
  readonly #start = performance.now();
  #firstStep: number | undefined;
  #doneSteps = 0;
  #restoredSteps = 0;
  #totalSteps: number | undefined;

  set totalSteps(steps: number) {
    this.#totalSteps = steps;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  stamp(event: BareEvent): LipSyncEvent {
    if (event.type === "chunk" && event.restored !== true) this.#firstStep ??= performance.now();
    if (event.type === "step") {
      if (event.restored === true) this.#restoredSteps += event.steps;
      else this.#doneSteps += 1;
    }
    const { elapsedSeconds } = this;
    return { ...event, elapsedSeconds, remainingSeconds: this.#remainingSeconds() };
  }

  /** Restored steps are no work that is left, and tell nothing of the speed. */
  #remainingSeconds(): number | undefined {
    if (this.#firstStep === undefined || this.#totalSteps === undefined || this.#doneSteps === 0) {
      return undefined;
    }
    const secondsPerStep = (performance.now() - this.#firstStep) / 1000 / this.#doneSteps;
    const remainingSteps = this.#totalSteps - this.#restoredSteps - this.#doneSteps;
    return Math.max(0, remainingSteps) * secondsPerStep;
  }
}
