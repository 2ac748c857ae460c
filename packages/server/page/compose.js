/** The form: files, face, settings; uploads them and creates the job. */
import { createJob, ServiceError, upload } from "./api.js";
import { byId, showError } from "./dom.js";
import { FacePicker } from "./face-picker.js";
import { size } from "./format.js";
import { Options } from "./options.js";

/** A place that takes one file. */
class FileSlot {
  /** @type {File | undefined} */
  file;
  /** `upload:` location of the file, once it is stored. */
  #location = "";
  #url = "";
  #input;
  #drop;
  #picked;
  #name;
  #progress;
  #onChange;

  /**
   * @param {"video" | "audio"} id
   * @param {(url: string) => void} onChange told the address of the new file, or ""
   */
  constructor(id, onChange) {
    this.#input = byId(`${id}-file`, HTMLInputElement);
    this.#drop = byId(`${id}-drop`, HTMLElement);
    this.#picked = byId(`${id}-picked`, HTMLElement);
    this.#name = byId(`${id}-name`, HTMLElement);
    this.#progress = byId(`${id}-progress`, HTMLProgressElement);
    this.#onChange = onChange;
    this.#input.addEventListener("change", () => {
      this.set(this.#input.files?.[0]);
    });
    byId(`${id}-remove`, HTMLButtonElement).addEventListener("click", () => {
      this.set(undefined);
      this.#input.focus();
    });
    for (const place of [this.#drop, this.#picked]) this.#acceptDrops(place);
  }

  /** @param {HTMLElement} place */
  #acceptDrops(place) {
    place.addEventListener("dragover", (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
    place.addEventListener("dragleave", () => {
      place.classList.remove("over");
    });
    place.addEventListener("drop", (event) => {
      event.preventDefault();
      place.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.set(file);
    });
  }

  /** @param {File | undefined} file */
  set(file) {
    if (this.#url !== "") URL.revokeObjectURL(this.#url);
    this.file = file;
    this.#location = "";
    this.#url = file ? URL.createObjectURL(file) : "";
    this.#input.value = "";
    this.#drop.hidden = file !== undefined;
    this.#picked.hidden = file === undefined;
    this.#name.textContent = file ? `${file.name}, ${size(file.size)}` : "";
    this.#onChange(this.#url);
  }

  /**
   * Stores the file, if it is not stored yet.
   * @param {AbortSignal} signal
   */
  async store(signal) {
    const { file } = this;
    if (!file || this.#location !== "") return this.#location;
    this.#progress.hidden = false;
    this.#progress.value = 0;
    try {
      const onProgress = (/** @type {number} */ share) => {
        this.#progress.value = share;
      };
      const location = await upload(file, { onProgress, signal });
      if (file === this.file) this.#location = location;
      return location;
    } finally {
      this.#progress.hidden = true;
    }
  }

  /** Uploads are kept for a limited time. */
  forgetUpload() {
    this.#location = "";
  }
}

export class Compose {
  #form = byId("compose", HTMLFormElement);
  #submit = byId("submit", HTMLButtonElement);
  #stop = byId("stop-upload", HTMLButtonElement);
  #error = byId("compose-error", HTMLElement);
  #quality = byId("quality", HTMLSelectElement);
  #guidance = byId("guidance", HTMLInputElement);
  #steps = byId("steps", HTMLInputElement);
  #seed = byId("seed", HTMLInputElement);
  #player = byId("audio-player", HTMLAudioElement);
  #picker = new FacePicker(() => {
    this.#options.forgetFace();
  });
  #options = new Options({
    onFace: () => {
      this.#picker.forget();
    },
    onStart: () => void this.#showVideo(),
  });
  #frame = new AbortController();
  #videoUrl = "";
  #video = new FileSlot("video", (url) => {
    this.#videoUrl = url;
    void this.#showVideo();
  });
  #audio = new FileSlot("audio", (url) => {
    this.#player.src = url;
    this.#update();
  });
  #callbacks;
  /** @type {AbortController | undefined} */
  #running;

  /**
   * @param {{
   *   readonly onCreated: (id: string, video: File) => void,
   *   readonly onUnauthorized: (error: ServiceError) => void,
   * }} callbacks
   */
  constructor(callbacks) {
    this.#callbacks = callbacks;
  }

  /** Begins to take files. */
  start() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#create();
    });
    this.#form.addEventListener("input", () => {
      this.#update();
    });
    this.#quality.addEventListener("change", () => {
      this.#takePreset();
    });
    this.#stop.addEventListener("click", () => {
      this.#running?.abort();
    });
    // A file that misses its place must not replace the page.
    for (const type of /** @type {const} */ (["dragover", "drop"])) {
      window.addEventListener(type, (event) => {
        event.preventDefault();
      });
    }
    this.#update();
  }

  async #showVideo() {
    this.#frame.abort();
    this.#frame = new AbortController();
    this.#update();
    const { startSeconds } = this.#options;
    const { signal } = this.#frame;
    if (this.#videoUrl !== "") await this.#picker.show(this.#videoUrl, { startSeconds, signal });
  }

  /** A preset's steps and guidance, which may then be moved. */
  #takePreset() {
    const { steps = "", guidance = "" } = this.#quality.selectedOptions[0]?.dataset ?? {};
    this.#steps.value = steps;
    this.#guidance.value = guidance;
    this.#update();
  }

  #update() {
    byId("guidance-value", HTMLOutputElement).value = Number(this.#guidance.value).toFixed(1);
    byId("steps-value", HTMLOutputElement).value = this.#steps.value;
    const seed = this.#seed.value === "" ? "" : `, seed ${this.#seed.value}`;
    byId("quality-text", HTMLElement).textContent =
      `${this.#quality.value}, ${this.#steps.value} steps, guidance ${Number(this.#guidance.value).toFixed(1)}${seed}`;
    this.#options.update();
    if (this.#running) return;
    showError(this.#error, undefined);
  }

  /** @returns {{ message: string, hint: string } | undefined} what is missing */
  #missing() {
    if (!this.#video.file) {
      return { message: "A video is missing.", hint: "Choose one above, or drop it there." };
    }
    if (!this.#audio.file) {
      return {
        message: "The speech is missing.",
        hint: "Choose a recording above, or drop it there.",
      };
    }
    if (!this.#seed.validity.valid) {
      const hint = "Leave it empty for the usual one.";
      return { message: "The seed must be a whole number from 0 to 4294967295.", hint };
    }
    return this.#options.check();
  }

  async #create() {
    if (this.#running) return;
    const video = this.#video.file;
    const missing = this.#missing();
    showError(this.#error, missing);
    if (missing || !video) return;
    this.#running = new AbortController();
    this.#setBusy(true);
    try {
      const id = await this.#upload(this.#running);
      this.#callbacks.onCreated(id, video);
    } catch (error) {
      this.#show(error);
    } finally {
      this.#running = undefined;
      this.#setBusy(false);
    }
  }

  /** @param {AbortController} running */
  async #upload(running) {
    const stored = [this.#video, this.#audio].map((slot) => slot.store(running.signal));
    // One that fails ends the other.
    for (const one of stored)
      one.catch(() => {
        running.abort();
      });
    const [video_in = "", audio_in = ""] = await Promise.all(stored);
    return createJob(
      {
        video_in,
        audio_in,
        out: "upload:",
        guidance_scale: Number(this.#guidance.value),
        inference_steps: Number(this.#steps.value),
        ...(this.#quality.value !== "exact" && { quality: this.#quality.value }),
        ...(this.#seed.value !== "" && { seed: Number(this.#seed.value) }),
        ...this.#options.fields,
        ...(this.#picker.point && { face_at: this.#picker.point }),
      },
      crypto.randomUUID(),
    );
  }

  /** @param {unknown} error */
  #show(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    if (!(error instanceof ServiceError)) throw error;
    if (error.status === 401) this.#callbacks.onUnauthorized(error);
    if (error.status === 422) {
      this.#video.forgetUpload();
      this.#audio.forgetUpload();
    }
    showError(this.#error, error);
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.#submit.disabled = isBusy;
    this.#submit.textContent = isBusy ? "Uploading" : "Create video";
    this.#stop.hidden = !isBusy;
  }
}
