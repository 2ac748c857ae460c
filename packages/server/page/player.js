/** Plays the source and the result at the same time. The result has the sound and the clock. */
import { byId } from "./dom.js";
import { clock } from "./format.js";

/** The eye sees a larger difference between two pictures, in seconds. */
const MAX_DRIFT = 0.06;
const PLAY = "M8 5.5v13l11-6.5Z";
const PAUSE = "M7 5.5h3.5v13H7ZM13.5 5.5H17v13h-3.5Z";

export class Player {
  #source = byId("source-video", HTMLVideoElement);
  #result = byId("result-video", HTMLVideoElement);
  #figure = byId("source-figure", HTMLElement);
  #pair = byId("pair", HTMLElement);
  #play = byId("play", HTMLButtonElement);
  #seek = byId("seek", HTMLInputElement);
  #time = byId("play-time", HTMLElement);

  constructor() {
    this.#play.addEventListener("click", () => {
      if (!this.#result.paused) this.#result.pause();
      else void this.#result.play().catch(() => {});
    });
    this.#seek.addEventListener("input", () => {
      this.#result.currentTime = Number(this.#seek.value) * this.#length();
    });
    for (const type of ["play", "pause", "seeked", "timeupdate", "loadedmetadata", "ended"]) {
      this.#result.addEventListener(type, () => {
        this.#follow();
      });
    }
    this.#source.addEventListener("loadedmetadata", () => {
      this.#pair.classList.toggle("tall", this.#source.videoHeight > this.#source.videoWidth * 0.9);
      this.#follow();
    });
    byId("fullscreen", HTMLButtonElement).addEventListener("click", () => {
      void this.#result.requestFullscreen();
    });
  }

  /**
   * @param {{ readonly source: string | undefined, readonly result: string }} urls
   */
  show({ result, source }) {
    this.#figure.hidden = source === undefined;
    this.#pair.classList.toggle("single", source === undefined);
    if (source === undefined) this.#source.removeAttribute("src");
    else this.#source.src = source;
    this.#result.src = result;
  }

  clear() {
    this.#result.pause();
    for (const video of [this.#source, this.#result]) {
      video.removeAttribute("src");
      video.load();
    }
    this.#follow();
  }

  #length() {
    return Number.isFinite(this.#result.duration) ? this.#result.duration : 0;
  }

  #follow() {
    const { currentTime, paused } = this.#result;
    const source = this.#source;
    const isWithin = source.readyState > 0 && currentTime < source.duration;
    if (isWithin && Math.abs(source.currentTime - currentTime) > MAX_DRIFT) {
      source.currentTime = currentTime;
    }
    if (paused || !isWithin) source.pause();
    else if (source.paused) void source.play().catch(() => {});
    const length = this.#length();
    this.#seek.value = String(length > 0 ? currentTime / length : 0);
    this.#seek.setAttribute("aria-valuetext", clock(currentTime));
    this.#time.textContent = `${clock(currentTime)} / ${clock(length)}`;
    this.#play.setAttribute("aria-label", paused ? "Play" : "Pause");
    this.#play.querySelector("path")?.setAttribute("d", paused ? PLAY : PAUSE);
  }
}
