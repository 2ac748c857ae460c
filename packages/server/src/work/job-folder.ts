/**
 * A job's folder, `DATA_DIR/jobs/ID`: inputs, finished segments, the output, and notes of how far it
 * got. It survives attempts and deaths, and goes when the job has ended.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobManifest, JobRecord } from "../jobs/job.ts";
import type { StoredFile } from "../storage/download.ts";
import { measureFile } from "../storage/publish.ts";

export type InputRole = "video_in" | "audio_in";
export type InputDigests = Readonly<Record<InputRole, StoredFile>>;

/** The output is made. */
export interface OutputNote {
  /** The store has acknowledged it. */
  readonly published: boolean;
  /** What the job leaves, complete but for the seconds of publishing. */
  readonly manifest: JobManifest;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

export class JobFolder {
  readonly path: string;

  constructor(dataFolder: string, id: string) {
    if (!UUID.test(id)) {
      throw new LatentSyncError("invalid_argument", `A job's id must be a UUID, not ${id}.`);
    }
    this.path = join(jobsFolder(dataFolder), id);
  }

  get segments(): string {
    return join(this.path, "segments");
  }

  get output(): string {
    return join(this.path, "output.mp4");
  }

  input(role: InputRole): string {
    return join(this.path, role);
  }

  /** For one attempt alone: one that was stopped and goes on must not write into another's file. */
  attemptFile(name: string): string {
    return join(this.path, `${name}-${randomUUID()}`);
  }

  async create(): Promise<void> {
    await mkdir(this.segments, { recursive: true });
  }

  async clearSegments(): Promise<void> {
    await rm(this.segments, { recursive: true, force: true });
    await this.create();
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Inputs that an earlier attempt has brought in whole. */
  async readInputs(signal: AbortSignal): Promise<InputDigests | undefined> {
    const noted = await this.#read<InputDigests>("inputs.json");
    if (noted === undefined) return undefined;
    const video = await this.#matches(this.input("video_in"), noted.video_in, signal);
    const audio = video && (await this.#matches(this.input("audio_in"), noted.audio_in, signal));
    return audio ? noted : undefined;
  }

  async noteInputs(inputs: InputDigests): Promise<void> {
    await this.#write("inputs.json", inputs);
  }

  /** The output of an earlier attempt that came so far. */
  async readOutput(signal: AbortSignal): Promise<OutputNote | undefined> {
    const noted = await this.#read<OutputNote>("output.json");
    if (noted === undefined) return undefined;
    return (await this.#matches(this.output, noted.manifest.output, signal)) ? noted : undefined;
  }

  async noteOutput(note: OutputNote): Promise<void> {
    await this.#write("output.json", note);
  }

  async #matches(path: string, digest: StoredFile, signal: AbortSignal): Promise<boolean> {
    const { size } = await stat(path).catch(() => ({ size: -1 }));
    return size === digest.sizeBytes && (await measureFile(path, signal)).sha256 === digest.sha256;
  }

  async #read<T>(name: string): Promise<T | undefined> {
    try {
      return JSON.parse(await readFile(join(this.path, name), "utf8")) as T;
    } catch {
      // Not there, or damaged by a loss of power: either way its work is done again.
      return undefined;
    }
  }

  async #write(name: string, value: unknown): Promise<void> {
    const temporary = this.attemptFile(name);
    try {
      await using file = await open(temporary, "wx");
      await file.writeFile(JSON.stringify(value));
      await file.sync();
      await rename(temporary, join(this.path, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}

function jobsFolder(dataFolder: string): string {
  return join(dataFolder, "jobs");
}

/** Removes the folder of a job that has ended or is not known. @returns the job if it has ended. */
export async function removeIfOver(
  folder: JobFolder,
  id: string,
  queue: JobQueue,
): Promise<JobRecord | undefined> {
  const job = await queue.get(id);
  const ended = job?.status === "completed" || job?.status === "failed";
  if (ended || job === undefined) await folder.remove();
  return ended ? job : undefined;
}

/** Removes what the deaths of processes have left: folders of jobs that are over. */
export async function sweepFolders(dataFolder: string, queue: JobQueue): Promise<void> {
  await mkdir(jobsFolder(dataFolder), { recursive: true });
  for (const id of await readdir(jobsFolder(dataFolder))) {
    if (UUID.test(id)) await removeIfOver(new JobFolder(dataFolder, id), id, queue);
  }
}
