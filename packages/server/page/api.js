/** The service's HTTP interface, as far as the page uses it. Addresses are relative to the page. */
import { parseEvents, textParts } from "./event-stream.js";

/**
 * @typedef {{ readonly x: number, readonly y: number }} Point relative, from (0, 0) left top to (1, 1)
 * @typedef {object} Job
 * @property {string} job_id
 * @property {"queued" | "processing" | "completed" | "failed"} status
 * @property {string} created_at
 * @property {string} [error]
 * @property {string} [error_code]
 * @property {string} [error_hint]
 * @property {{ readonly processing_time?: number }} metadata
 * @property {{ readonly stage: string, readonly progress: number, readonly remaining_seconds?: number }} [progress]
 * @property {boolean} cancel_requested
 * @property {{ readonly video_in: string, readonly audio_in: string, readonly out: string }} urls
 * @property {{ readonly guidance_scale: number, readonly inference_steps: number, readonly seed?: number }} parameters
 * @property {Readonly<Record<string, string>>} _links
 * @typedef {object} JobEvent
 * @property {"status" | "progress" | "log" | "end"} type
 * @property {string} at
 * @property {Job["status"]} [status]
 * @property {number} [attempt]
 * @property {string} [stage]
 * @property {number} [progress]
 * @property {number} [remainingSeconds]
 * @property {"info" | "warn" | "error"} [level]
 * @property {string} [message]
 * @typedef {object} Footage
 * @property {string} [face]
 * @property {string} [fps]
 * @property {string} [loop]
 * @property {string} [silence]
 * @property {number} [start]
 * @property {number} [end]
 * @typedef {object} JobFields
 * @property {string} video_in
 * @property {string} audio_in
 * @property {string} out
 * @property {number} guidance_scale
 * @property {number} inference_steps
 * @property {string} [quality]
 * @property {number} [seed]
 * @property {Point} [face_at]
 * @typedef {JobFields & Footage} NewJob
 */

const KEY_NAME = "latentsync-api-key";
const RECONNECT_MS = 2000;

/** An answer that is an error, or none at all. */
export class ServiceError extends Error {
  /**
   * @param {string} message
   * @param {{ readonly status?: number, readonly hint?: string | undefined }} [details]
   */
  constructor(message, details = {}) {
    super(message);
    this.name = "ServiceError";
    this.status = details.status ?? 0;
    this.hint = details.hint;
  }
}

/** The key of this tab; empty if there is none. */
export function apiKey() {
  return sessionStorage.getItem(KEY_NAME) ?? "";
}

/** @param {string} key */
export function setApiKey(key) {
  if (key === "") sessionStorage.removeItem(KEY_NAME);
  else sessionStorage.setItem(KEY_NAME, key);
}

/** @returns {Record<string, string>} */
function credentials() {
  const key = apiKey();
  return key === "" ? {} : { "x-api-key": key };
}

/**
 * @param {number} status
 * @param {string} text
 */
function errorOf(status, text) {
  const fallback = new ServiceError(`The service answered with status ${status}.`, { status });
  try {
    /** @type {unknown} */
    const problem = JSON.parse(text);
    if (typeof problem !== "object" || problem === null || !("detail" in problem)) return fallback;
    const hint = "hint" in problem ? String(problem.hint) : undefined;
    return new ServiceError(String(problem.detail), { status, hint });
  } catch {
    return fallback;
  }
}

/**
 * @param {string} path
 * @param {Omit<RequestInit, "headers"> & { readonly headers?: Record<string, string> }} [init]
 */
async function ask(path, init = {}) {
  const headers = { ...credentials(), accept: "application/json", ...init.headers };
  const response = await fetch(path, { ...init, headers }).catch((/** @type {unknown} */ error) => {
    if (init.signal?.aborted) throw error;
    throw new ServiceError("The service cannot be reached.", {
      hint: "Check the connection; the page goes on when the service answers.",
    });
  });
  if (!response.ok) throw errorOf(response.status, await response.text());
  return response;
}

/** How the service is, in a word. */
export async function readiness() {
  const response = await fetch("readyz", { headers: { accept: "application/json" } });
  const answer = /** @type {{ status: string, problem?: string }} */ (await response.json());
  return answer;
}

/** Newest first. */
export async function listJobs() {
  const response = await ask("jobs?limit=30");
  return /** @type {{ jobs: Job[] }} */ (await response.json()).jobs;
}

/** @param {string} id */
export async function getJob(id) {
  const response = await ask(`jobs/${encodeURIComponent(id)}`);
  return /** @type {Job} */ (await response.json());
}

/**
 * @param {NewJob} job
 * @param {string} idempotencyKey so that a repeated click is the same job
 */
export async function createJob(job, idempotencyKey) {
  const response = await ask("jobs", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
    body: JSON.stringify(job),
  });
  return /** @type {{ job_id: string }} */ (await response.json()).job_id;
}

/** @param {string} id */
export async function cancelJob(id) {
  const response = await ask(`jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
  return /** @type {Job} */ (await response.json());
}

/**
 * Something that a media element can play. Media elements send no headers: with a key the whole
 * object is fetched. The caller revokes blob addresses.
 * @param {string} path
 * @param {AbortSignal} signal
 */
export async function mediaUrl(path, signal) {
  if (apiKey() === "") return path;
  const response = await ask(path, { signal, headers: { accept: "*/*" } });
  return URL.createObjectURL(await response.blob());
}

/** @param {string} id */
export function resultPath(id) {
  return `jobs/${encodeURIComponent(id)}/result`;
}

/**
 * Where the server keeps an upload; `undefined` for an address elsewhere.
 * @param {string} location
 */
export function uploadPath(location) {
  return location.startsWith("upload:")
    ? `uploads/${encodeURIComponent(location.slice("upload:".length))}`
    : undefined;
}

/**
 * Stores a file; resolves to its `upload:` location.
 * @param {File} file
 * @param {{ readonly onProgress: (share: number) => void, readonly signal: AbortSignal }} options
 * @returns {Promise<string>}
 */
export function upload(file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => {
      request.abort();
    };
    request.open("PUT", "uploads");
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    for (const [name, value] of Object.entries(credentials())) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      onProgress(total > 0 ? loaded / total : 0);
    });
    request.addEventListener("load", () => {
      if (request.status === 201) {
        resolve(/** @type {{ url: string }} */ (JSON.parse(request.responseText)).url);
      } else reject(errorOf(request.status, request.responseText));
    });
    request.addEventListener("error", () => {
      const hint = "Check the connection and that the file still exists.";
      reject(new ServiceError(`The upload of ${file.name} broke off.`, { hint }));
    });
    request.addEventListener("abort", () => {
      reject(new DOMException("The upload was stopped.", "AbortError"));
    });
    request.addEventListener("loadend", () => {
      signal.removeEventListener("abort", stop);
    });
    signal.addEventListener("abort", stop);
    request.send(file);
  });
}

/**
 * Everything that happens to a job, from its beginning to its end; connects again when the
 * connection breaks.
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<JobEvent, void>}
 */
export async function* followJob(id, signal) {
  let lastId = "";
  while (!signal.aborted) {
    try {
      const response = await ask(`jobs/${encodeURIComponent(id)}/events`, {
        signal,
        headers: { accept: "text/event-stream", ...(lastId && { "last-event-id": lastId }) },
      });
      if (response.status === 204 || response.body === null) return;
      for await (const { data, event, id: eventId } of parseEvents(textParts(response.body))) {
        if (event === "end") return;
        lastId = eventId || lastId;
        yield /** @type {JobEvent} */ (JSON.parse(data));
      }
    } catch (error) {
      const isLost = !(error instanceof ServiceError) || error.status === 0 || error.status >= 500;
      if (signal.aborted || !isLost) throw error;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, RECONNECT_MS);
    });
  }
}
