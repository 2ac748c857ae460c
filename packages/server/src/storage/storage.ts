/**
 * The storage seam: reading and writing whole objects by URL, as streams. Adapters pass
 * `storageConformance` of `@ls/server/conformance`. Which URLs a caller may name is decided before,
 * by the guarded connector and the allowed roots; an adapter has no other way out.
 */

/** An object that is being read. */
export interface StoredObject {
  /** Of the whole object, if the store tells. */
  readonly sizeBytes: number | undefined;
  /** Changes when the object does; `undefined` if the store has none. */
  readonly etag: string | undefined;
  /** Position of the body's first byte: the asked `offset`, or 0 if the store cannot resume. */
  readonly offset: number;
  /** Checksum that the store states, of the whole object. */
  readonly checksum:
    | { readonly algorithm: "md5" | "sha256" | "crc32c"; readonly base64: string }
    | undefined;
  /** To be read once; whoever does not calls `releaseBody`. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ReadOptions {
  /** First byte wanted, to go on after an interruption. */
  readonly offset?: number;
  /** Only this version of the object; another one is a `conflict`. */
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

/** A finished file that is to be stored. */
export interface UploadFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly contentType: string;
}

export interface Storage {
  /** URL protocols that it serves, such as `gs:`. */
  readonly protocols: readonly string[];
  /**
   * Refuses what it will never read or write, without a connection, so that a job can be refused
   * when it is created. Not a permission: `open` and `put` check for themselves.
   * @throws LatentSyncError `forbidden`, `invalid_argument`.
   */
  check?(url: URL): void;
  /** @throws LatentSyncError `not_found`, `forbidden`, `network`, `timeout`, `conflict`. */
  open(url: URL, options?: ReadOptions): Promise<StoredObject>;
  /** Stores the whole file; readers see the old object or the new one, never a part. */
  put(url: URL, file: UploadFile, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Whether the object is there with these bytes, as far as the store can tell without reading it. */
  holds?(url: URL, file: UploadFile, options?: { readonly signal?: AbortSignal }): Promise<boolean>;
}

/** Lets go of what an object holds that is not read to its end. */
export async function releaseBody(object: StoredObject): Promise<void> {
  try {
    // A generator that was never started has nothing that `return` could end.
    for await (const _part of object.body) break;
  } catch {
    // What was to be given up is gone already.
  }
}
