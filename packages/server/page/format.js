/** Figures as people read them. */

/**
 * `1:05`, or `1:02:03`.
 * @param {number} seconds
 */
export function clock(seconds) {
  const whole = Number.isFinite(seconds) ? Math.floor(seconds) : 0;
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/**
 * `40 s`, `3 min`, `1 h 5 min`.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * `820 kB`, `3.4 MB`.
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 999_500) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  if (bytes < 999_500_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/**
 * `just now`, `5 min ago`, or a date.
 * @param {string} iso
 * @param {number} nowMs
 */
export function age(iso, nowMs) {
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 86_400) return `${duration(seconds)} ago`;
  return new Date(iso).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** @type {Readonly<Record<string, string>>} */
const stages = {
  download: "Fetching the inputs",
  load: "Loading the model",
  speech: "Listening to the speech",
  frames: "Making frames",
  finish: "Writing the video",
  publish: "Storing the result",
};

/** @param {string} name */
export function stage(name) {
  return stages[name] ?? name;
}

/**
 * A job's state in a word.
 * @param {{ readonly status: string, readonly error_code?: string, readonly cancel_requested?: boolean }} job
 */
export function state(job) {
  if (job.status === "failed") return job.error_code === "cancelled" ? "cancelled" : "failed";
  if (job.cancel_requested && job.status !== "completed") return "cancelling";
  return job.status === "completed" ? "done" : job.status;
}
