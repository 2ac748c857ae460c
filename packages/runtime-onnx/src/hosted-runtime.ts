/** The runtime and its sessions over a host: order of operations, checks and disposal. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type GraphSource,
  LatentSyncError,
  type Precision,
  type RunOptions,
  type Runtime,
  type RuntimeCapabilities,
  type Session,
  type SessionOptions,
  type Tensor,
  type TensorInfo,
} from "@ls/core";
import { checkFeeds, selectOutputs } from "./feed-check.ts";
import type { HostedSession, Tensors } from "./messages.ts";
import type { SessionHost } from "./session-host.ts";
import { TaskQueue } from "./task-queue.ts";

function disposedError(what: string): LatentSyncError {
  return new LatentSyncError("disposed", `The ${what} was used after it was disposed.`, {
    hint: `Create a new ${what}.`,
  });
}

/** A copy on buffers of its own, so that it can be moved to the host. */
function copyTensor(tensor: Tensor): Tensor {
  return { ...tensor, data: tensor.data.slice() };
}

/** Inputs or outputs with numbers for the symbolic dimensions that are named. */
export function fixDimensions(
  infos: readonly TensorInfo[],
  dimensions: Readonly<Record<string, number>>,
): readonly TensorInfo[] {
  return infos.map((info) => ({
    ...info,
    dims: info.dims.map((dim) => (typeof dim === "string" ? (dimensions[dim] ?? dim) : dim)),
  }));
}

function checkDimensions(dimensions: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(dimensions)) {
    if (Number.isSafeInteger(size) && size > 0) continue;
    throw new LatentSyncError(
      "invalid_argument",
      `Dimension "${name}" must be a positive integer, but is ${size}.`,
      { hint: "Correct it, or leave it out to keep it symbolic." },
    );
  }
}

async function checkSource(source: GraphSource): Promise<GraphSource> {
  if ("bytes" in source) return source;
  // The host may be another thread; a relative path is the caller's.
  const path = resolve(source.path);
  const file = await stat(path).catch((cause: unknown) => {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new LatentSyncError(
      missing ? "not_found" : "io",
      missing ? `There is no model file ${path}.` : `The model file ${path} cannot be read.`,
      { cause, hint: "Check the path and its permissions." },
    );
  });
  if (!file.isFile()) {
    throw new LatentSyncError("invalid_model", `${path} is not a file, but a model was expected.`, {
      hint: "Give the path of the .onnx file.",
    });
  }
  return { path };
}

/** What a runtime and its sessions share. */
interface Shared {
  readonly host: Pick<SessionHost<never>, "run" | "release">;
  readonly queue: TaskQueue;
  isDisposed: boolean;
}

class HostedSessionHandle implements Session {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly #shared: Shared;
  readonly #id: number;
  #disposal: Promise<void> | undefined;

  constructor(
    shared: Shared,
    session: HostedSession,
    dimensions: Readonly<Record<string, number>>,
  ) {
    this.#shared = shared;
    this.#id = session.id;
    this.inputs = fixDimensions(session.inputs, dimensions);
    this.outputs = fixDimensions(session.outputs, dimensions);
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    { outputs, signal }: RunOptions = {},
  ): Promise<Record<string, Tensor>> {
    const { host, queue, isDisposed } = this.#shared;
    if (isDisposed || this.#disposal !== undefined) throw disposedError("session");
    signal?.throwIfAborted();
    checkFeeds(this.inputs, feeds);
    const selected = selectOutputs(this.outputs, outputs);
    // Copied now: the caller may write into its tensors as soon as this call returns.
    const copies: Tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => [name, copyTensor(tensor)]),
    );
    return await queue.add(() => host.run(this.#id, copies, selected), { owner: this, signal });
  }

  /** A run that is under way ends first; runs that wait are rejected with `disposed`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    const { host, queue, isDisposed } = this.#shared;
    if (isDisposed) return;
    queue.cancel(disposedError("session"), this);
    // Fails only if the host is gone, and the native session with it.
    await queue.add(() => host.release(this.#id)).catch(() => {});
  }
}

/** What a caller wants of a session. */
export interface SessionWishes {
  readonly dimensions: Readonly<Record<string, number>>;
  readonly precision: Precision | undefined;
}

export interface HostedRuntimeOptions<Options> {
  readonly name: string;
  readonly capabilities: RuntimeCapabilities;
  readonly host: SessionHost<Options>;
  /** The native library's options of a session. */
  readonly sessionOptions: (wishes: SessionWishes) => Options;
}

/** A runtime whose sessions live in a {@link SessionHost}, which it owns. */
export class HostedRuntime<Options> implements Runtime {
  readonly name: string;
  readonly capabilities: RuntimeCapabilities;
  readonly #sessionOptions: (wishes: SessionWishes) => Options;
  readonly #host: SessionHost<Options>;
  readonly #shared: Shared;
  #disposal: Promise<void> | undefined;

  constructor({ name, capabilities, host, sessionOptions }: HostedRuntimeOptions<Options>) {
    this.name = name;
    this.capabilities = capabilities;
    this.#sessionOptions = sessionOptions;
    this.#host = host;
    this.#shared = { host, queue: new TaskQueue(), isDisposed: false };
  }

  async createSession(
    graph: GraphSource,
    { dimensions = {}, precision, signal }: SessionOptions = {},
  ): Promise<Session> {
    this.#throwIfDisposed();
    signal?.throwIfAborted();
    checkDimensions(dimensions);
    const source = await checkSource(graph);
    this.#throwIfDisposed();
    const wishes = { dimensions, precision };
    return await this.#shared.queue.add(() => this.#create(source, wishes, signal), { signal });
  }

  /** A call that is under way ends first; calls that wait are rejected with `disposed`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #create(
    source: GraphSource,
    wishes: SessionWishes,
    signal: AbortSignal | undefined,
  ): Promise<Session> {
    const session = await this.#host.create(source, this.#sessionOptions(wishes));
    if (signal?.aborted === true) {
      await this.#host.release(session.id);
      throw signal.reason;
    }
    return new HostedSessionHandle(this.#shared, session, wishes.dimensions);
  }

  async #dispose(): Promise<void> {
    const { queue } = this.#shared;
    this.#shared.isDisposed = true;
    queue.cancel(disposedError("runtime"));
    await queue.add(() => this.#host.close());
  }

  #throwIfDisposed(): void {
    if (this.#shared.isDisposed) throw disposedError("runtime");
  }
}
