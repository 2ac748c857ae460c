/** The list of jobs. */
import { byId, make } from "./dom.js";
import { age, state } from "./format.js";

/** @typedef {import("./api.js").Job} Job */

export class JobList {
  #list = byId("jobs", HTMLUListElement);
  #empty = byId("jobs-empty", HTMLElement);
  #callbacks;
  #shown = "";

  /**
   * @param {{
   *   readonly onOpen: (id: string) => void,
   *   readonly onCancel: (id: string) => void,
   * }} callbacks
   */
  constructor(callbacks) {
    this.#callbacks = callbacks;
  }

  /**
   * @param {readonly Job[]} jobs
   * @param {string} openId
   */
  show(jobs, openId) {
    const rows = jobs.map((job) => describe(job));
    const shown = JSON.stringify([openId, rows]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = document.activeElement?.getAttribute("data-key");
    this.#empty.hidden = jobs.length > 0;
    this.#list.replaceChildren(...rows.map((row) => this.#row(row, row.id === openId)));
    if (!focused) return;
    for (const button of this.#list.querySelectorAll("button")) {
      if (button.dataset["key"] === focused) button.focus();
    }
  }

  /**
   * @param {ReturnType<typeof describe>} row
   * @param {boolean} isOpen
   */
  #row(row, isOpen) {
    const open = make("button", { className: "job-open" }, [
      make("span", { className: "job-name", text: row.name }),
      make("span", { className: "muted", text: row.detail }),
    ]);
    open.setAttribute("type", "button");
    open.dataset["key"] = `open ${row.id}`;
    if (isOpen) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => {
      this.#callbacks.onOpen(row.id);
    });
    const badge = make("span", { className: `badge ${row.state}`, text: row.badge });
    const item = make("li", {}, [open, badge]);
    if (row.canCancel) {
      const cancel = make("button", { className: "quiet danger", text: "Cancel" });
      cancel.setAttribute("type", "button");
      cancel.setAttribute("aria-label", `Cancel job ${row.name}`);
      cancel.dataset["key"] = `cancel ${row.id}`;
      cancel.addEventListener("click", () => {
        this.#callbacks.onCancel(row.id);
      });
      item.append(cancel);
    }
    return item;
  }
}

/** @param {Job} job */
function describe(job) {
  const word = state(job);
  const percent = job.status === "processing" && job.progress ? job.progress.progress * 100 : 0;
  return {
    id: job.job_id,
    name: job.job_id.slice(0, 8),
    state: word,
    badge: percent > 0 ? `${Math.floor(percent)} %` : word,
    detail: `${age(job.created_at, Date.now())}, ${job.parameters.inference_steps} steps`,
    canCancel: (job.status === "queued" || job.status === "processing") && !job.cancel_requested,
  };
}
