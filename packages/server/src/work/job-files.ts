/** How inputs come and results go: storages, a size limit, and a check of what came. */
import { downloadTo, type StoredFile } from "../storage/download.ts";
import { publishFile } from "../storage/publish.ts";
import type { Storage } from "../storage/storage.ts";
import type { InputRole } from "./job-folder.ts";

export interface JobFiles {
  /**
   * Brings an input into the file `path`, as a stream, and checks that it is what its role needs.
   * @throws LatentSyncError `invalid_media`, `not_found`, `forbidden`, `too_large`, `disk_full`,
   * `network`, `timeout` …
   */
  download(input: {
    readonly url: URL;
    readonly role: InputRole;
    readonly path: string;
    readonly signal: AbortSignal;
    /** `totalBytes` is `undefined` if the store does not tell. */
    readonly onProgress: (receivedBytes: number, totalBytes: number | undefined) => void;
  }): Promise<StoredFile>;
  /**
   * Stores the result; where the store can tell that it has these bytes already, nothing is sent.
   * After an abort nothing is stored, unless the store had it all before.
   */
  publish(output: {
    readonly url: URL;
    readonly path: string;
    readonly contentType: string;
    readonly signal: AbortSignal;
  }): Promise<void>;
}

export interface JobFilesOptions {
  readonly storage: Storage;
  /** Largest input. */
  readonly maxInputBytes: number;
  /** @throws LatentSyncError `invalid_media`, `forbidden` or `too_large` if the file is not to be opened. */
  readonly checkInput: (
    path: string,
    options: { readonly role: InputRole; readonly signal: AbortSignal },
  ) => Promise<void>;
}

export function createJobFiles(options: JobFilesOptions): JobFiles {
  const { storage, maxInputBytes, checkInput } = options;
  return {
    async download({ url, role, path, signal, onProgress }) {
      const file = await downloadTo(storage, url, path, {
        maxBytes: maxInputBytes,
        signal,
        onProgress: ({ bytesDone, bytesTotal }) => onProgress(bytesDone, bytesTotal),
      });
      await checkInput(path, { role, signal });
      return file;
    },
    async publish({ url, path, contentType, signal }) {
      await publishFile(storage, url, path, { contentType, signal });
    },
  };
}
