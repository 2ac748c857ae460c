/** Keeping secrets out of logs. */

const REDACTED = "[redacted]";

/**
 * Values of these names, wherever they stand in a line of JSON. A value is a JSON string, so an
 * escaped quote inside it does not end it.
 */
const SECRET_FIELD =
  /"((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-goog-api-key|api_?key|token|access_?token|id_?token|secret|password|webhook-signature)":"(?:[^"\\]|\\.)*"/gi;
/** Query strings carry signatures and tokens; what is before them is enough to find an object. */
const URL_QUERY = /\b([a-z][a-z0-9+.-]{1,15}:\/\/[^\s"'<>\\?#]*)\?[^\s"'<>\\]*/gi;
const URL_USER = /\b([a-z][a-z0-9+.-]{1,15}:\/\/)[^\s"'<>\\/?#@]+@/gi;
const BEARER = /\b(bearer|basic)\s+[\w.~+/=-]{4,}/gi;

/** A text without URL query strings, passwords in URLs, bearer tokens and fields that hold secrets. */
export function redact(text: string): string {
  return text
    .replace(SECRET_FIELD, `"$1":"${REDACTED}"`)
    .replace(URL_USER, `$1${REDACTED}@`)
    .replace(URL_QUERY, `$1?${REDACTED}`)
    .replace(BEARER, `$1 ${REDACTED}`);
}
