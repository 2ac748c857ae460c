import { LatentSyncError } from "@ls/core";
import type { Storage } from "./storage.ts";

/**
 * Several storages as one: each URL goes to the storage of its protocol.
 * @throws LatentSyncError `invalid_argument` if two serve the same protocol; its methods throw
 * `unsupported` for a protocol that none serves.
 */
export function createStorageRouter(storages: readonly Storage[]): Storage {
  const byProtocol = new Map<string, Storage>();
  for (const storage of storages) {
    for (const protocol of storage.protocols) {
      if (byProtocol.has(protocol)) {
        throw new LatentSyncError("invalid_argument", `Two storages serve ${protocol}`, {
          hint: "Give one storage for each protocol.",
        });
      }
      byProtocol.set(protocol, storage);
    }
  }
  const storageOf = ({ protocol }: URL): Storage => {
    const storage = byProtocol.get(protocol);
    if (storage) return storage;
    const known = [...byProtocol.keys()].join(", ");
    throw new LatentSyncError(
      "unsupported",
      `${protocol} URLs are not served here, only ${known}.`,
      {
        hint: "Use an address of a protocol that this server has.",
      },
    );
  };
  return {
    protocols: [...byProtocol.keys()],
    check: (url) => storageOf(url).check?.(url),
    open: async (url, options) => storageOf(url).open(url, options),
    put: async (url, file, options) => storageOf(url).put(url, file, options),
    holds: async (url, file, options) =>
      (await storageOf(url).holds?.(url, file, options)) ?? false,
  };
}

/**
 * The URL of a request's field, checked as far as that goes without a connection.
 * @param field Its name, for the error.
 * @throws LatentSyncError `invalid_argument`, `unsupported`, `forbidden`.
 */
export function parseLocation(storage: Storage, field: string, location: string): URL {
  if (!URL.canParse(location)) {
    throw new LatentSyncError("invalid_argument", `${field} is not a URL.`, {
      hint: "Write it with its protocol, such as https://example.com/video.mp4.",
    });
  }
  const url = new URL(location);
  storage.check?.(url);
  return url;
}
