import { access, constants, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import { fileError } from "./ffmpeg-error.ts";

/** A file that is written in a private folder beside its place and appears there when published. */
export class OutputFile implements AsyncDisposable {
  /** Where to write. */
  readonly temporaryPath: string;
  readonly #path: string;
  readonly #folder: string;

  private constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
    this.temporaryPath = join(folder, `output${extname(path)}`);
  }

  /**
   * @param inputs files that must not be the output.
   * @throws LatentSyncError `invalid_argument`, `not_found` or `io`.
   */
  static async create(path: string, inputs: readonly string[]): Promise<OutputFile> {
    const absolute = resolve(path);
    await refuseInputs(absolute, inputs);
    const folder = dirname(absolute);
    try {
      await access(folder, constants.W_OK);
      const prefix = join(folder, `.${basename(absolute)}-`);
      return new OutputFile(absolute, await mkdtemp(prefix));
    } catch (error) {
      throw fileError(error, `Cannot write to the folder of ${path}`);
    }
  }

  /** Puts the finished file in its place, at once. */
  async publish(): Promise<void> {
    try {
      await rename(this.temporaryPath, this.#path);
    } catch (error) {
      throw fileError(error, `Cannot put the finished file at ${this.#path}`);
    }
    await this[Symbol.asyncDispose]();
  }

  /** Removes everything that is not published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function refuseInputs(path: string, inputs: readonly string[]): Promise<void> {
  const output = await stat(path).catch(() => undefined);
  if (output?.isDirectory()) {
    throw new LatentSyncError("invalid_argument", `The output ${path} is a folder.`, {
      hint: "Name a file in it.",
    });
  }
  for (const input of inputs) {
    const status = output && (await stat(input).catch(() => undefined));
    const same = status && status.dev === output.dev && status.ino === output.ino;
    if (same || resolve(input) === path) {
      throw new LatentSyncError("invalid_argument", `The output ${path} is also an input.`, {
        hint: "Choose another name for the output.",
      });
    }
  }
}
