/** A Python process that runs the official networks, asked for one forward after the other. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LatentSyncError } from "@ls/core";
import type { ModelFiles } from "@ls/models";
import { encodeMessage, type Message, MessageParser, type Tensors } from "./messages.ts";

/** Arithmetic of the official code; its script has float32 on a CPU. */
export const officialPrecisions = ["float32", "bfloat16"] as const;
export type OfficialPrecision = (typeof officialPrecisions)[number];

export interface OfficialOptions {
  /** Folder of a checkout of the official repository. */
  readonly checkout: string;
  /** A Python with what the official repository needs. */
  readonly python: string;
  /** The checkpoint that both sides load: its configuration must be a file. */
  readonly files: ModelFiles;
  readonly precision: OfficialPrecision;
  /** CPU threads. Default: PyTorch's own choice. */
  readonly threads?: number | undefined;
  readonly signal: AbortSignal;
  /** What to run in place of `python official_worker.py`: a stand-in for tests. */
  readonly command?: readonly [program: string, ...args: string[]];
}

export interface OfficialAnswer {
  /** Of the operation alone: what travels between the processes does not count. */
  readonly milliseconds: number;
  readonly cpuMilliseconds: number;
  readonly tensors: Tensors;
}

/** Where the scripts lie that run the official code. */
export function officialScript(name: string): string {
  return fileURLToPath(new URL(`../../python/${name}`, import.meta.url));
}

/** The files that the official code loads. @throws LatentSyncError `invalid_argument`. */
export function officialModel({ unetConfig, unetPath, vaeFolder, whisperPaths }: ModelFiles): {
  readonly unetConfig: string;
  readonly unet: string;
  readonly vae: string;
  readonly whisper: string;
} {
  const [whisper] = whisperPaths;
  if (typeof unetConfig !== "string" || whisper === undefined) {
    throw new LatentSyncError("invalid_argument", "The official code needs a model of files.", {
      hint: "Give a folder in the official layout with --model.",
    });
  }
  return { unetConfig, unet: unetPath, vae: vaeFolder, whisper };
}

const LAST_WORDS = 2000;

interface Waiting {
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

export class OfficialProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting: Waiting[] = [];
  #lastWords = "";
  #failure: Error | undefined;
  /** Package names to versions. */
  versions: Readonly<Record<string, string>> = {};
  threads = 0;

  private constructor(child: ChildProcess, signal: AbortSignal) {
    this.#child = child;
    const parser = new MessageParser();
    child.stdout?.on("data", (chunk: Buffer) => {
      try {
        for (const message of parser.push(chunk)) this.#waiting.shift()?.resolve(message);
      } catch (error) {
        this.#fail(this.#ending(error));
        child.kill();
      }
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-LAST_WORDS);
    });
    // A process that has died says so by its end.
    child.stdin?.on("error", () => undefined);
    this.#ended = new Promise((ended) => {
      child.on("error", (error) => {
        const reason: unknown = signal.reason;
        this.#fail(reason instanceof Error ? reason : this.#ending(error));
        ended();
      });
      child.on("close", () => {
        this.#fail(this.#ending(undefined));
        ended();
      });
    });
  }

  /**
   * Starts the process; networks are loaded when they are first asked for.
   * @throws LatentSyncError `unsupported` if Python or a package is missing, with its own words.
   */
  static async open(options: OfficialOptions): Promise<OfficialProcess> {
    const { checkout, python, files, precision, threads = null, signal } = options;
    const [program, ...args] = options.command ?? [python, officialScript("official_worker.py")];
    const model = officialModel(files);
    signal.throwIfAborted();
    const process = new OfficialProcess(spawn(program, args, { signal, stdio: "pipe" }), signal);
    try {
      const { header } = await process.#send(
        { operation: "open", checkout, model, threads, dtype: precision },
        {},
      );
      process.versions = header["versions"] as Record<string, string>;
      process.threads = Number(header["threads"]);
      return process;
    } catch (error) {
      await process[Symbol.asyncDispose]();
      signal.throwIfAborted();
      throw error;
    }
  }

  /** @throws LatentSyncError `runtime` with the official code's own error. */
  async run(
    operation: string,
    tensors: Tensors,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<OfficialAnswer> {
    const { header, tensors: outputs } = await this.#send({ ...settings, operation }, tensors);
    return {
      milliseconds: Number(header["milliseconds"]),
      cpuMilliseconds: Number(header["cpuMilliseconds"]),
      tensors: outputs,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    this.#child.kill();
    await this.#ended;
  }

  async #send(header: Readonly<Record<string, unknown>>, tensors: Tensors): Promise<Message> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#waiting.push({ resolve, reject });
    this.#child.stdin?.write(encodeMessage(header, tensors));
    const answer = await promise;
    const { error } = answer.header;
    if (typeof error !== "string") return answer;
    throw new LatentSyncError("runtime", `The official code failed: ${error}`, {
      hint: "Check the checkout, and that its requirements are installed for this Python.",
    });
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  /** The error that its end is: what it wrote that it should not, or its last words. */
  #ending(cause: unknown): LatentSyncError {
    if (LatentSyncError.is(cause)) return cause;
    const reason = cause instanceof Error ? `: ${cause.message}` : ".";
    const words = this.#lastWords.trim();
    return new LatentSyncError(
      "unsupported",
      `The official code's process ended${reason}${words === "" ? "" : `\n${words}`}`,
      { cause, hint: "Give a Python with torch, diffusers and what else the checkout needs." },
    );
  }
}
