import { LatentSyncError } from "@ls/core";

const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
]);

/** What may be told of a URL: query and fragment may be a signature. */
export function describeUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 200);
}

/**
 * A failed exchange as an error that names the host, but neither its addresses nor the query.
 * Errors of this project, also as causes of others, stay as they are.
 */
export function toNetworkError(error: unknown, url: URL): LatentSyncError {
  const inner = findInner(error);
  if (inner) return inner;
  const code = codeOf(error);
  if (code !== undefined && TIMEOUT_CODES.has(code)) {
    return new LatentSyncError("timeout", `${url.host} did not answer in time (${code}).`, {
      cause: error,
      hint: "Try again later.",
    });
  }
  const reason = code === undefined ? "" : ` (${code})`;
  return new LatentSyncError("network", `The exchange with ${url.host} failed${reason}.`, {
    cause: error,
    hint: "Check the address, or try again later.",
  });
}

function findInner(error: unknown): LatentSyncError | undefined {
  for (let depth = 0, at = error; depth < 8 && at instanceof Error; depth++, at = at.cause) {
    if (LatentSyncError.is(at)) return at;
  }
  return undefined;
}

/** The stable code of an error or of its nearest cause that has one. */
function codeOf(error: unknown): string | undefined {
  for (let depth = 0, at = error; depth < 8 && at instanceof Error; depth++, at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && /^[A-Z0-9_]+$/.test(code)) return code;
  }
  return undefined;
}
