/** Puts the page together. The open job stands in the address, so that a reload keeps it. */
import { apiKey, listJobs, readiness, ServiceError, setApiKey } from "./api.js";
import { Compose } from "./compose.js";
import { byId, showError } from "./dom.js";
import { JobList } from "./job-list.js";
import { JobPanel } from "./job-panel.js";

const LIST_INTERVAL_MS = 4000;

const serviceState = byId("service-state", HTMLElement);
const listError = byId("jobs-error", HTMLElement);
const keyDialog = byId("key-dialog", HTMLDialogElement);
const keyInput = byId("key", HTMLInputElement);
const keyHelp = byId("key-help", HTMLElement);

/** @type {Readonly<Record<string, string>>} */
const stateTexts = {
  ready: "Ready",
  busy: "Busy, new jobs wait",
  starting: "Starting",
  draining: "Shutting down",
  setup_failed: "Set-up failed",
};

const panel = new JobPanel({
  onChange: () => void refreshList(),
  onError: (error) => {
    if (error instanceof ServiceError && error.status === 401) askForKey(error.message);
  },
});
const list = new JobList({
  onOpen: (id) => {
    openJob(id);
  },
  onCancel: (id) => void panel.cancel(id),
});
const compose = new Compose({
  onCreated: (id, video) => {
    openJob(id, video);
    void refreshList();
  },
  onUnauthorized: (error) => {
    askForKey(error.message);
  },
});

/**
 * @param {string} id
 * @param {File} [video]
 */
function openJob(id, video) {
  history.replaceState(null, "", `#job=${id}`);
  void panel.open(id, video);
  panel.focus();
}

function openAddressedJob() {
  const id = /^#job=([\w-]+)$/.exec(location.hash)?.[1];
  if (id && id !== panel.id) void panel.open(id);
}

async function refreshList() {
  try {
    list.show(await listJobs(), panel.id);
    showError(listError, undefined);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.status === 401) {
      list.show([], "");
      showError(listError, { message: "The list needs an API key.", hint: "Enter it at the top." });
    } else showError(listError, error);
  }
}

async function refreshState() {
  try {
    const { problem, status } = await readiness();
    serviceState.className = `state ${status}`;
    serviceState.textContent = stateTexts[status] ?? status;
    serviceState.title = problem ?? "";
  } catch {
    serviceState.className = "state setup_failed";
    serviceState.textContent = "Not reachable";
  }
}

/** @param {string} [reason] */
function askForKey(reason) {
  if (keyDialog.open) return;
  keyHelp.textContent = reason ?? "The key is kept in this tab only, until it is closed.";
  keyInput.value = apiKey();
  keyDialog.returnValue = "";
  keyDialog.showModal();
}

/** @param {string} key */
function useKey(key) {
  setApiKey(key);
  byId("key-button", HTMLButtonElement).classList.toggle("set", key !== "");
  void refreshList();
  if (panel.id !== "") void panel.open(panel.id);
}

async function refreshForEver() {
  for (;;) {
    if (document.visibilityState === "visible") {
      await Promise.all([refreshState(), refreshList()]);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LIST_INTERVAL_MS);
    });
  }
}

byId("key-button", HTMLButtonElement).addEventListener("click", () => {
  askForKey();
});
byId("key-forget", HTMLButtonElement).addEventListener("click", () => {
  keyDialog.close("forget");
});
keyDialog.addEventListener("close", () => {
  if (keyDialog.returnValue === "save") useKey(keyInput.value.trim());
  if (keyDialog.returnValue === "forget") useKey("");
  keyInput.value = "";
});
window.addEventListener("hashchange", openAddressedJob);
byId("key-button", HTMLButtonElement).classList.toggle("set", apiKey() !== "");
compose.start();
openAddressedJob();
void refreshForEver();
