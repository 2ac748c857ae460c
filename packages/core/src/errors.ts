const MARKER = Symbol.for("@ls/core.LatentSyncError");

/** What went wrong, as a stable word that programs may switch on. */
export type LatentSyncErrorCode =
  /** A file or resource that was named does not exist. */
  | "not_found"
  /** An option or argument has a value that is not allowed. */
  | "invalid_argument"
  /** A media file cannot be read: truncated, empty, not media, or lying about itself. */
  | "invalid_media"
  /** A checkpoint, graph or configuration is not what it should be. */
  | "invalid_model"
  /** No usable face was found. */
  | "no_face"
  /** The operation needs something that is not installed or not supported here. */
  | "unsupported"
  /** A download, upload or hub request failed. */
  | "network"
  /** The disk is full. */
  | "disk_full"
  /** A file cannot be read or written: permission, device or other system error. */
  | "io"
  /** A measured figure is below what was asked for. */
  | "unmet"
  /** Refused for safety: an address, path, format or caller that is not allowed. */
  | "forbidden"
  /** Larger or longer than the limits allow. */
  | "too_large"
  /** It took longer than it may. */
  | "timeout"
  /** A queue or quota is full; later it may go. */
  | "exhausted"
  /** A service that is needed cannot be reached now; later it may go. */
  | "unavailable"
  /** It contradicts what was said before, such as another request under the same key. */
  | "conflict"
  /** Whoever asked for it called it off. */
  | "cancelled"
  /** The process that did the work died. */
  | "crashed"
  /** An inference runtime failed. */
  | "runtime"
  /** The object was used after it was disposed. */
  | "disposed";

/** Options of {@link LatentSyncError}. */
export interface LatentSyncErrorOptions {
  readonly cause?: unknown;
  /** What the user can do about it: one imperative sentence. */
  readonly hint?: string;
}

/**
 * The one error class of the project. `message` says what failed, where, and what was expected;
 * `hint` says what to do. Recognise it with {@link LatentSyncError.is}, which also works across
 * duplicate copies of this package.
 */
export class LatentSyncError extends Error {
  readonly code: LatentSyncErrorCode;
  readonly hint: string | undefined;

  constructor(code: LatentSyncErrorCode, message: string, options: LatentSyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LatentSyncError";
    Object.defineProperty(this, MARKER, { value: true });
    this.code = code;
    this.hint = options.hint;
  }

  static is(value: unknown): value is LatentSyncError {
    return typeof value === "object" && value !== null && MARKER in value;
  }
}
