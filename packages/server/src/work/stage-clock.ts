/** Where a job is: seconds spent in each stage, and how much of the whole is done. */
import type { LipSyncEvent } from "@ls/core";

/** Share of the whole at which each stage begins and ends, as far as that can be told beforehand. */
const SHARES: Readonly<Record<string, readonly [begin: number, end: number]>> = {
  download: [0, 0.05],
  speech: [0.05, 0.08],
  load: [0.08, 0.1],
  frames: [0.1, 0.95],
  finish: [0.95, 0.97],
  publish: [0.97, 1],
};

export class StageClock {
  readonly #onStageEnd: (stage: string, seconds: number) => void;
  readonly #seconds = new Map<string, number>();
  #stage: { readonly name: string; readonly since: number } | undefined;
  #progress = 0;

  constructor(onStageEnd: (stage: string, seconds: number) => void) {
    this.#onStageEnd = onStageEnd;
  }

  get stage(): string {
    return this.#stage?.name ?? "download";
  }

  /** Of the whole job, 0 to 1; never falls. */
  get progress(): number {
    return this.#progress;
  }

  get stageSeconds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#seconds);
  }

  enter(name: string): void {
    if (this.#stage?.name === name) return;
    this.end();
    this.#stage = { name, since: performance.now() };
    this.advance(0);
  }

  /** `fraction` of the stage is done. */
  advance(fraction: number): void {
    const [begin, end] = SHARES[this.stage] ?? [this.#progress, this.#progress];
    const progress = begin + (end - begin) * Math.min(1, Math.max(0, fraction));
    this.#progress = Math.max(this.#progress, progress);
  }

  /** The current stage is over. */
  end(): void {
    if (this.#stage === undefined) return;
    const { name, since } = this.#stage;
    const seconds = (performance.now() - since) / 1000;
    this.#stage = undefined;
    this.#seconds.set(name, (this.#seconds.get(name) ?? 0) + seconds);
    this.#onStageEnd(name, seconds);
  }

  /** Takes in what the engine reports. */
  follow(event: LipSyncEvent): void {
    if (event.type === "stage") this.enter(event.stage);
    if (event.type === "step") {
      this.advance((event.chunk + event.step / event.steps) / event.chunks);
    }
    if (event.type === "frames") this.advance(event.frames / event.totalFrames);
  }
}
