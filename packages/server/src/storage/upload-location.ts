/** Locations in the server's own storage: `upload:ID`, or `upload:` alone for a job's result. */

export const UPLOAD = "upload:";

/** As the worker will read it: a URL's protocol may be written in capitals, or behind spaces. */
export function isUpload(location: string): boolean {
  return URL.parse(location)?.protocol === UPLOAD;
}
