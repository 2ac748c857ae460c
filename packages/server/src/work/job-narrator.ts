/** Turns what an engine reports into lines that people read in a job's log. */
import { describePlan, type LipSyncEvent } from "@ls/core";

export class JobNarrator {
  readonly #say: (line: string) => void;
  #restored = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  follow(event: LipSyncEvent): void {
    if (event.type === "plan") this.#say(describePlan(event.plan));
    if (event.type === "chunk" && event.restored === undefined) this.#tellContinued();
    if (event.type === "step" && event.step === event.steps) {
      if (event.restored === true) this.#restored = event.chunk + 1;
      else this.#say(`segment ${event.chunk + 1} of ${event.chunks} done`);
    }
    if (event.type === "done") {
      this.#tellContinued();
      const { frames, framesWithoutFace } = event.result;
      const faceless = framesWithoutFace > 0 ? `, ${framesWithoutFace} of them without a face` : "";
      this.#say(`made ${frames} frames${faceless}`);
    }
  }

  #tellContinued(): void {
    if (this.#restored > 0) this.#say(`continued from segment ${this.#restored}`);
    this.#restored = 0;
  }
}

/** Such as `12.3 MB`. */
export function formatSize(sizeBytes: number): string {
  return sizeBytes < 1e6
    ? `${(sizeBytes / 1e3).toFixed(1)} kB`
    : `${(sizeBytes / 1e6).toFixed(1)} MB`;
}
