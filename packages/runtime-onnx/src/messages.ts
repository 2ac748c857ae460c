/** What travels between the calling thread and the worker that holds the sessions. */
import type { GraphSource, LatentSyncErrorCode, Tensor, TensorInfo } from "@ls/core";
import type { InferenceSession } from "onnxruntime-node";

/** onnxruntime-node's own session options; all of them can be cloned. */
export type NativeSessionOptions = InferenceSession.SessionOptions;

/** A session as the host knows it. */
export interface HostedSession {
  readonly id: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

export type Tensors = Record<string, Tensor>;

/** The operations of a host and their results. */
export interface HostOperations<Options> {
  /** Loads the native library; gives what it can do. */
  open: { readonly parameters: Record<never, never>; readonly result: readonly string[] };
  create: {
    readonly parameters: { readonly source: GraphSource; readonly options: Options };
    readonly result: HostedSession;
  };
  run: {
    readonly parameters: {
      readonly session: number;
      readonly feeds: Tensors;
      readonly outputs: readonly string[];
    };
    readonly result: Tensors;
  };
  release: { readonly parameters: { readonly session: number }; readonly result: undefined };
  /** Releases every session; nothing may follow. */
  close: { readonly parameters: Record<never, never>; readonly result: undefined };
}

export type OperationName = keyof HostOperations<unknown>;

export type HostRequest<Options> = {
  [Name in OperationName]: {
    readonly operation: Name;
  } & HostOperations<Options>[Name]["parameters"];
}[OperationName];

/** A `LatentSyncError` taken apart, since structured cloning keeps neither class nor fields. */
export interface ErrorMessage {
  readonly code: LatentSyncErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly cause: Error | undefined;
}

export type HostReply = { readonly result: unknown } | { readonly error: ErrorMessage };

/** Given to the worker when it starts. */
export interface SessionWorkerData {
  /** One int32, of {@link WORKER_STATE}. */
  readonly state: SharedArrayBuffer;
  /** What the worker makes its host of. */
  readonly settings: unknown;
}

/** Values of the shared state word. */
export const WORKER_STATE = {
  /** Nothing to do. */
  idle: 0,
  /** A request was sent and the worker has not taken it yet. */
  requested: 1,
  /** The worker works on a request, perhaps inside native code. */
  working: 2,
  /** The process is ending: take nothing more. */
  ending: 3,
} as const;
