/** The first frame of a video, on which the user points at the face that should speak. */
import { byId } from "./dom.js";

/** @typedef {import("./api.js").Point} Point */

/** Longest side of the drawn frame, in pixels. */
const MAX_SIDE = 1280;
const KEY_STEP = 0.02;
const FRAME_TIMEOUT_MS = 15_000;

/** @type {Readonly<Record<string, readonly [number, number]>>} */
const moves = {
  ArrowLeft: [-KEY_STEP, 0],
  ArrowRight: [KEY_STEP, 0],
  ArrowUp: [0, -KEY_STEP],
  ArrowDown: [0, KEY_STEP],
};

export class FacePicker {
  #canvas = byId("face-canvas", HTMLCanvasElement);
  #text = byId("face-text", HTMLElement);
  #auto = byId("face-auto", HTMLButtonElement);
  #row = byId("face-row", HTMLElement);
  #noFrame = byId("no-frame", HTMLElement);
  /** @type {HTMLVideoElement | undefined} */
  #frame;
  /** @type {Point | undefined} */
  #point;
  #onPoint;

  /** @param {() => void} onPoint told that the user has pointed at a face */
  constructor(onPoint) {
    this.#onPoint = onPoint;
    this.#canvas.addEventListener("click", (event) => {
      const { height, left, top, width } = this.#canvas.getBoundingClientRect();
      this.#choose({ x: (event.clientX - left) / width, y: (event.clientY - top) / height });
    });
    this.#canvas.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (event.key === "Escape") this.#choose(undefined);
      if (!move) return;
      event.preventDefault();
      const { x, y } = this.#point ?? { x: 0.5, y: 0.5 };
      this.#choose({ x: x + move[0], y: y + move[1] });
    });
    this.#auto.addEventListener("click", () => {
      this.#choose(undefined);
      this.#canvas.focus();
    });
  }

  /** Where the user pointed; `undefined`: the most prominent face. */
  get point() {
    return this.#point;
  }

  /** Somebody else is chosen. */
  forget() {
    if (this.#point) this.#choose(undefined);
  }

  /**
   * Shows a frame of a video.
   * @param {string} url
   * @param {{ readonly startSeconds: number, readonly signal: AbortSignal }} options
   */
  async show(url, { startSeconds, signal }) {
    this.#frame = undefined;
    this.#point = undefined;
    this.#canvas.hidden = true;
    this.#row.hidden = true;
    const frame = await frameAt(url, { startSeconds, signal });
    if (signal.aborted) return;
    this.#noFrame.hidden = frame !== undefined;
    if (frame === undefined) return;
    const scale = Math.min(1, MAX_SIDE / Math.max(frame.videoWidth, frame.videoHeight));
    this.#canvas.width = Math.round(frame.videoWidth * scale);
    this.#canvas.height = Math.round(frame.videoHeight * scale);
    this.#frame = frame;
    this.#canvas.hidden = false;
    this.#row.hidden = false;
    this.#choose(undefined);
  }

  /** @param {Point | undefined} point */
  #choose(point) {
    const limited = (/** @type {number} */ value) =>
      Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
    this.#point = point && { x: limited(point.x), y: limited(point.y) };
    this.#auto.hidden = point === undefined;
    const percent = (/** @type {number} */ value) => `${Math.round(value * 100)} %`;
    this.#text.textContent = this.#point
      ? `The face at ${percent(this.#point.x)} from the left, ${percent(this.#point.y)} from the top, will speak.`
      : "More than one face? Tap the one that should speak.";
    this.#draw();
    if (point) this.#onPoint();
  }

  #draw() {
    const context = this.#canvas.getContext("2d");
    if (!context || !this.#frame) return;
    const { height, width } = this.#canvas;
    context.drawImage(this.#frame, 0, 0, width, height);
    if (!this.#point) return;
    const radius = Math.max(18, Math.min(width, height) * 0.17);
    const x = this.#point.x * width;
    const y = this.#point.y * height;
    for (const [colour, lineWidth] of /** @type {const} */ ([
      ["rgb(0 0 0 / 45%)", 0.13],
      ["#fff", 0.07],
    ])) {
      context.strokeStyle = colour;
      context.lineWidth = radius * lineWidth;
      context.lineCap = "round";
      for (let quarter = 0; quarter < 4; quarter++) {
        const middle = (quarter + 0.5) * (Math.PI / 2);
        context.beginPath();
        context.arc(x, y, radius, middle - 0.45, middle + 0.45);
        context.stroke();
      }
    }
  }
}

/**
 * A video that stands at a time, or at its end; `undefined` if this browser cannot decode it.
 * @param {string} url
 * @param {{ readonly startSeconds: number, readonly signal: AbortSignal }} options
 * @returns {Promise<HTMLVideoElement | undefined>}
 */
function frameAt(url, { startSeconds, signal }) {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    video.muted = true;
    video.playsInline = true;
    video.preload = "auto";
    const settle = (/** @type {HTMLVideoElement | undefined} */ result) => {
      clearTimeout(timer);
      resolve(result);
    };
    const fail = () => {
      settle(undefined);
    };
    const timer = setTimeout(fail, FRAME_TIMEOUT_MS);
    signal.addEventListener("abort", fail);
    video.addEventListener("error", fail);
    const show = () => {
      settle(video.videoWidth > 0 ? video : undefined);
    };
    video.addEventListener("seeked", show);
    video.addEventListener("loadeddata", () => {
      if (startSeconds > 0) video.currentTime = startSeconds;
      else show();
    });
    video.src = url;
  });
}
