/** The job that is open: progress, log, result or error. */
import * as api from "./api.js";
import { byId, make, showError } from "./dom.js";
import { duration, stage, state } from "./format.js";
import { Player } from "./player.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").JobEvent} JobEvent */

/** Lines that are kept on the page. */
const MAX_LINES = 500;

export class JobPanel {
  #panel = byId("job", HTMLElement);
  #title = byId("job-title", HTMLElement);
  #badge = byId("job-state", HTMLElement);
  #cancel = byId("job-cancel", HTMLButtonElement);
  #running = byId("job-running", HTMLElement);
  #progress = byId("job-progress", HTMLProgressElement);
  #stage = byId("job-stage", HTMLElement);
  #remaining = byId("job-remaining", HTMLElement);
  #error = byId("job-error", HTMLElement);
  #result = byId("job-result", HTMLElement);
  #log = byId("job-log", HTMLDetailsElement);
  #lines = byId("log-lines", HTMLElement);
  #idText = byId("job-id", HTMLElement);
  #download = byId("download", HTMLAnchorElement);
  #player = new Player();
  #open = new AbortController();
  /** @type {string[]} */
  #blobs = [];
  #callbacks;
  /** Id of the open job, or "". */
  id = "";

  /**
   * @param {{
   *   readonly onChange: () => void,
   *   readonly onError: (error: unknown) => void,
   * }} callbacks
   */
  constructor(callbacks) {
    this.#callbacks = callbacks;
    this.#cancel.addEventListener("click", () => {
      void this.cancel(this.id);
    });
  }

  /**
   * Opens a job and follows it to its end.
   * @param {string} id
   * @param {File} [video] its source, if it is at hand
   */
  async open(id, video) {
    this.close();
    const { signal } = this.#open;
    this.id = id;
    this.#panel.hidden = false;
    this.#idText.textContent = `Job ${id}`;
    try {
      this.#show(await api.getJob(id));
      for await (const event of api.followJob(id, signal)) {
        if (signal.aborted) return;
        this.#tell(event);
        if (event.type === "status") this.#callbacks.onChange();
      }
      const job = await api.getJob(id);
      if (signal.aborted) return;
      this.#show(job);
      this.#callbacks.onChange();
      if (job.status === "completed") await this.#showResult(job, video, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof api.ServiceError)) throw error;
      this.#running.hidden = true;
      this.#cancel.hidden = true;
      showError(this.#error, error);
      this.#callbacks.onError(error);
    }
  }

  close() {
    this.#open.abort();
    this.#open = new AbortController();
    this.id = "";
    this.#panel.hidden = true;
    this.#badge.className = "badge";
    this.#badge.textContent = "";
    this.#result.hidden = true;
    this.#player.clear();
    for (const url of this.#blobs) URL.revokeObjectURL(url);
    this.#blobs = [];
    this.#lines.replaceChildren();
    this.#log.open = true;
    this.#progress.removeAttribute("value");
    this.#stage.textContent = "";
    this.#remaining.textContent = "";
    showError(this.#error, undefined);
  }

  /** @param {string} id */
  async cancel(id) {
    try {
      const job = await api.cancelJob(id);
      if (id === this.id) this.#show(job);
      this.#callbacks.onChange();
    } catch (error) {
      if (!(error instanceof api.ServiceError)) throw error;
      showError(this.#error, error);
      this.#callbacks.onError(error);
    }
  }

  focus() {
    this.#title.focus({ preventScroll: true });
    this.#panel.scrollIntoView({ block: "nearest" });
  }

  /** @param {Job} job */
  #show(job) {
    const word = state(job);
    const isOver = job.status === "completed" || job.status === "failed";
    const titles = {
      queued: "Waiting its turn",
      processing: "Working",
      completed: "Your video",
      failed: "Not finished",
    };
    this.#title.textContent = titles[job.status];
    this.#badge.textContent = word;
    this.#badge.className = `badge ${word}`;
    this.#cancel.hidden = isOver || job.cancel_requested;
    this.#running.hidden = isOver;
    if (job.status === "queued") this.#stage.textContent = "Waiting for a worker";
    if (job.progress) {
      const { progress, remaining_seconds: remainingSeconds } = job.progress;
      this.#showProgress(job.progress.stage, progress, remainingSeconds);
    }
    if (job.status !== "failed") return;
    const wasCancelled = job.error_code === "cancelled";
    this.#error.classList.toggle("calm", wasCancelled);
    showError(this.#error, {
      message: wasCancelled ? "This job was cancelled." : (job.error ?? "The job failed."),
      hint: wasCancelled ? "Nothing was stored." : job.error_hint,
    });
  }

  /** @param {JobEvent} event */
  #tell(event) {
    if (event.type === "progress") {
      this.#showProgress(event.stage ?? "", event.progress ?? 0, event.remainingSeconds);
    } else if (event.type === "log") {
      this.#addLine(event.at, event.message ?? "", event.level ?? "info");
    } else if (event.status) {
      const again = (event.attempt ?? 0) > 1 ? `, attempt ${event.attempt}` : "";
      this.#addLine(event.at, `${event.status}${again}`, "status");
      if (event.status !== "processing") return;
      this.#title.textContent = "Working";
      this.#badge.textContent = "processing";
      this.#badge.className = "badge processing";
      this.#stage.textContent = "Starting";
    }
  }

  /**
   * @param {string} name
   * @param {number} share
   * @param {number | undefined} remainingSeconds
   */
  #showProgress(name, share, remainingSeconds) {
    this.#progress.value = share;
    this.#stage.textContent = stage(name);
    const percent = `${Math.floor(share * 100)} %`;
    this.#remaining.textContent =
      remainingSeconds === undefined
        ? percent
        : `${percent}, about ${duration(remainingSeconds)} left`;
  }

  /**
   * @param {string} at
   * @param {string} message
   * @param {string} level
   */
  #addLine(at, message, level) {
    const isAtEnd =
      this.#lines.scrollHeight - this.#lines.scrollTop - this.#lines.clientHeight < 30;
    const time = make("time", {
      text: new Date(at).toLocaleTimeString(undefined, { hour12: false }),
    });
    time.setAttribute("datetime", at);
    this.#lines.append(make("li", { className: level }, [time, make("span", { text: message })]));
    if (this.#lines.childElementCount > MAX_LINES) this.#lines.firstElementChild?.remove();
    if (isAtEnd) this.#lines.scrollTop = this.#lines.scrollHeight;
  }

  /**
   * @param {Job} job
   * @param {File | undefined} video
   * @param {AbortSignal} signal
   */
  async #showResult(job, video, signal) {
    this.#log.open = false;
    if (job._links["result"] === undefined) {
      this.#error.classList.add("calm");
      const hint = "The job named a place of its own, so it cannot be played here.";
      showError(this.#error, { message: "The result was stored elsewhere.", hint });
      return;
    }
    const sourcePath = api.uploadPath(job.urls.video_in);
    const result = await this.#media(api.resultPath(job.job_id), signal);
    const source = video
      ? this.#keep(URL.createObjectURL(video))
      : sourcePath && (await this.#media(sourcePath, signal).catch(() => undefined));
    if (signal.aborted) return;
    this.#player.show({ result, source });
    this.#download.href = result;
    this.#download.download = `latentsync-${job.job_id.slice(0, 8)}.mp4`;
    this.#result.hidden = false;
  }

  /**
   * @param {string} path
   * @param {AbortSignal} signal
   */
  async #media(path, signal) {
    return this.#keep(await api.mediaUrl(path, signal));
  }

  /** @param {string} url */
  #keep(url) {
    if (url.startsWith("blob:")) this.#blobs.push(url);
    return url;
  }
}
