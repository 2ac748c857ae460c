/** One attempt at a job: inputs in, a run in the worker process, the result out. */
import { rename, rm, statfs } from "node:fs/promises";
import { LatentSyncError, type LipSyncEvent, type LipSyncResult } from "@ls/core";
import { footageOf, settingsOf } from "../jobs/job-footage.ts";
import type { JobLease } from "../jobs/job-queue.ts";
import type { JobManifest, JobRecord } from "../jobs/job.ts";
import { measureFile } from "../storage/publish.ts";
import { UPLOAD } from "../storage/upload-location.ts";
import type { EngineDescription } from "./engine.ts";
import type { EventLog } from "./event-log.ts";
import type { JobFiles } from "./job-files.ts";
import type { InputDigests, InputRole, JobFolder, OutputNote } from "./job-folder.ts";
import { formatSize, JobNarrator } from "./job-narrator.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import type { Attempt, JobObserver } from "./observer.ts";
import { StageClock } from "./stage-clock.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** What all attempts of a server share. */
export interface AttemptSettings {
  readonly files: JobFiles;
  readonly observer: JobObserver;
  /** Space that must be free on the data folder's disk before inputs are brought in. */
  readonly minFreeBytes: number;
  /** Seed of jobs that name none. */
  readonly defaultSeed: number;
  /** Longest time between two progress events, and between two looks at the lease. */
  readonly progressMs: number;
  readonly cost: CostOf | undefined;
}

/** US dollars of a job: as estimated beforehand, and of the seconds that its attempt took. */
export type CostOf = (job: JobRecord, processingSeconds: number) => JobManifest["cost"];

export interface AttemptOptions {
  readonly settings: AttemptSettings;
  readonly lease: JobLease;
  readonly worker: WorkerProcess;
  readonly folder: JobFolder;
  readonly keeper: LeaseKeeper;
  readonly log: EventLog;
  /** Its reason is an `AttemptStop`. */
  readonly signal: AbortSignal;
}

const INPUT_ROLES: readonly InputRole[] = ["video_in", "audio_in"];

export class JobAttempt {
  readonly #options: AttemptOptions;
  readonly #attempt: Attempt;
  readonly #clock: StageClock;
  #frameReportAt = 0;

  constructor(options: AttemptOptions) {
    this.#options = options;
    const { observer } = options.settings;
    const attempt = { job: options.lease.job, worker: options.worker.name };
    this.#attempt = attempt;
    this.#clock = new StageClock((stage, seconds) =>
      observer.stageEnded?.(attempt, { stage, seconds }),
    );
  }

  /** Does all of it but for telling the queue. @throws what went wrong, or the signal's reason. */
  async run(): Promise<JobManifest> {
    const { folder, signal } = this.#options;
    signal.throwIfAborted();
    await folder.create();
    try {
      const note = (await folder.readOutput(signal)) ?? (await this.#make());
      return await this.#publish(note);
    } finally {
      this.#clock.end();
    }
  }

  async #make(): Promise<OutputNote> {
    const { folder } = this.#options;
    const inputs = await this.#bringInputs();
    const temporary = `${folder.attemptFile("output")}.mp4`;
    try {
      return await this.#infer(inputs, temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #bringInputs(): Promise<InputDigests> {
    const { folder, log, signal } = this.#options;
    this.#enter("download");
    const kept = await folder.readInputs(signal);
    if (kept !== undefined) {
      log.log("info", "the inputs are here from an earlier attempt");
      return kept;
    }
    // Segments of inputs that are gone may not fit those that come.
    await folder.clearSegments();
    await this.#checkSpace();
    const fractions = { video_in: 0, audio_in: 0 };
    const [video_in, audio_in] = await all(
      INPUT_ROLES.map(
        (role) => async (both: AbortSignal) =>
          await this.#download(role, both, (fraction) => {
            fractions[role] = fraction;
            this.#clock.advance((fractions.video_in + fractions.audio_in) / 2);
            this.#tellProgress();
          }),
      ),
      signal,
    );
    if (video_in === undefined || audio_in === undefined) throw new Error("There are two inputs.");
    await folder.noteInputs({ video_in, audio_in });
    return { video_in, audio_in };
  }

  async #download(
    role: InputRole,
    signal: AbortSignal,
    onFraction: (fraction: number) => void,
  ): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
    const { folder, lease, log, settings } = this.#options;
    const temporary = folder.attemptFile(role);
    try {
      const digest = await settings.files.download({
        url: new URL(lease.job.request[role]),
        role,
        path: temporary,
        signal,
        onProgress: (received, total) => {
          if (total !== undefined && total > 0) onFraction(received / total);
        },
      });
      signal.throwIfAborted();
      await rename(temporary, folder.input(role));
      onFraction(1);
      log.log("info", `downloaded ${role}, ${formatSize(digest.sizeBytes)}`);
      return digest;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #checkSpace(): Promise<void> {
    const { folder, settings } = this.#options;
    const { bavail, bsize } = await statfs(folder.path);
    if (bavail * bsize >= settings.minFreeBytes) return;
    throw new LatentSyncError(
      "disk_full",
      `${bavail * bsize} bytes are free at ${folder.path}, fewer than ${settings.minFreeBytes}.`,
      { hint: "Free space on the server's disk." },
    );
  }

  async #infer(inputs: InputDigests, temporary: string): Promise<OutputNote> {
    const { folder, lease, log, settings, signal, worker } = this.#options;
    const { request } = lease.job;
    const seed = request.seed ?? settings.defaultSeed;
    await worker.ready({ signal, orFail: true });
    const { description } = worker;
    if (description === undefined) {
      throw new LatentSyncError("unavailable", `${worker.name} has no engine.`);
    }
    log.log("info", `loaded ${description.model.name} on ${description.runtime.hardware}`);
    this.#enter("load");
    const narrator = new JobNarrator((line) => log.log("info", line));
    const result = await worker.run(
      {
        videoPath: folder.input("video_in"),
        audioPath: folder.input("audio_in"),
        outputPath: temporary,
        segmentsFolder: folder.segments,
        inferenceSteps: request.inference_steps,
        guidanceScale: request.guidance_scale,
        ...(request.quality === undefined ? {} : { quality: request.quality }),
        ...(request.scheduler === undefined ? {} : { scheduler: request.scheduler }),
        seed,
        footage: footageOf(request),
      },
      {
        signal,
        job: lease.job,
        onEvent: (event) => {
          narrator.follow(event);
          this.#follow(event);
        },
      },
    );
    const output = await measureFile(temporary, signal);
    this.#clock.end();
    const note: OutputNote = {
      published: false,
      manifest: this.#manifest({ inputs, output, result, description, seed }),
    };
    signal.throwIfAborted();
    await rename(temporary, folder.output);
    await folder.noteOutput(note);
    return note;
  }

  #manifest(made: {
    readonly inputs: InputDigests;
    readonly output: JobManifest["output"];
    readonly result: LipSyncResult;
    readonly description: EngineDescription;
    readonly seed: number;
  }): JobManifest {
    const { inputs, output, result, description, seed } = made;
    const { request } = this.#options.lease.job;
    const { software, model, runtime } = description;
    return {
      software,
      model,
      runtime,
      settings: settingsOf(request, seed),
      inputs,
      output,
      frames: result.frames,
      framesWithoutFace: result.framesWithoutFace,
      stageSeconds: this.#clock.stageSeconds,
    };
  }

  /**
   * One PUT, whatever dies: that it was acknowledged is noted. Only if this process dies between the
   * two, and the store cannot tell what it has, the same bytes are PUT once more.
   */
  async #publish(note: OutputNote): Promise<JobManifest> {
    const { folder, keeper, lease, log, settings, signal } = this.#options;
    const { output } = note.manifest;
    this.#enter("publish");
    if (!note.published) {
      const target = {
        url: outputUrl(lease.job),
        path: folder.output,
        contentType: "video/mp4",
      };
      await keeper.whileCertain(
        async (certain) => await settings.files.publish({ ...target, signal: certain }),
        signal,
      );
      await folder.noteOutput({ ...note, published: true });
    }
    log.log("info", `published the result, ${formatSize(output.sizeBytes)}`);
    this.#clock.advance(1);
    this.#tellProgress(0);
    this.#clock.end();
    return this.#complete(note.manifest);
  }

  #complete(manifest: JobManifest): JobManifest {
    const stageSeconds = { ...manifest.stageSeconds, ...this.#clock.stageSeconds };
    const seconds = Object.values(stageSeconds).reduce((sum, stage) => sum + stage, 0);
    const cost = this.#options.settings.cost?.(this.#options.lease.job, seconds);
    return { ...manifest, stageSeconds, ...(cost && { cost }) };
  }

  #enter(stage: string): void {
    this.#clock.enter(stage);
    this.#tellProgress();
  }

  #follow(event: LipSyncEvent): void {
    this.#clock.follow(event);
    if (event.type !== "done") this.#tellProgress(event.remainingSeconds);
    if (event.type !== "frames") return;
    const { observer, progressMs } = this.#options.settings;
    const last = event.frames === event.totalFrames;
    const now = performance.now();
    if (!last && now - this.#frameReportAt < progressMs) return;
    this.#frameReportAt = now;
    const { frames, totalFrames } = event;
    observer.framesDone?.(this.#attempt, { frames, totalFrames });
  }

  #tellProgress(remainingSeconds?: number): void {
    const { stage, progress } = this.#clock;
    const remaining = remainingSeconds === undefined ? {} : { remainingSeconds };
    this.#options.log.progress({ stage, progress, ...remaining });
  }
}

/** `upload:` stands for the server's own storage, where results bear their job's id. */
function outputUrl({ id, request }: JobRecord): URL {
  return new URL(request.out === UPLOAD ? `upload:${id}` : request.out);
}

/** Runs tasks at once; the first failure ends the others, and is thrown when all have ended. */
async function all<T>(
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal,
): Promise<readonly T[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let failure: { readonly error: unknown } | undefined;
  const results = await Promise.allSettled(
    tasks.map(async (task) => {
      try {
        return await task(either);
      } catch (error) {
        failure ??= { error };
        failed.abort(error);
        throw error;
      }
    }),
  );
  signal.throwIfAborted();
  if (failure !== undefined) throw failure.error;
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
