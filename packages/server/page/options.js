/** The fold "Options": what to make of the footage. What is left as it is, is not said. */
import { byId } from "./dom.js";

/** @typedef {import("./api.js").Footage} Footage */

export class Options {
  #fold = byId("options-fold", HTMLDetailsElement);
  #text = byId("options-text", HTMLElement);
  #face = byId("face", HTMLSelectElement);
  #choices = [this.#face, ...["loop", "silence", "fps"].map((id) => byId(id, HTMLSelectElement))];
  #start = byId("start", HTMLInputElement);
  #end = byId("end", HTMLInputElement);

  /**
   * @param {{
   *   readonly onFace: () => void,
   *   readonly onStart: () => void,
   * }} callbacks told of a face by a word, and of another beginning
   */
  constructor({ onFace, onStart }) {
    this.#face.addEventListener("change", () => {
      if (this.#face.value !== "") onFace();
    });
    this.#start.addEventListener("change", onStart);
  }

  /** Where the part of the video begins, in seconds. */
  get startSeconds() {
    return this.#start.validity.valid ? Number(this.#start.value) : 0;
  }

  /** A face was pointed at instead. */
  forgetFace() {
    this.#face.value = "";
    this.update();
  }

  /** @returns {Footage} fields of the job */
  get fields() {
    const chosen = this.#choices.flatMap(({ id, value }) => (value === "" ? [] : [[id, value]]));
    const times = [this.#start, this.#end].flatMap(({ id, value }) =>
      value === "" ? [] : [[id, Number(value)]],
    );
    return /** @type {Footage} */ (Object.fromEntries([...chosen, ...times]));
  }

  /** Says in the fold's head what is not as usual. */
  update() {
    const words = this.#choices.flatMap(({ value, selectedOptions }) =>
      value === "" ? [] : [selectedOptions[0]?.text.toLowerCase() ?? ""],
    );
    if (this.#start.value !== "") words.push(`from ${this.#start.value} s`);
    if (this.#end.value !== "") words.push(`to ${this.#end.value} s`);
    this.#text.textContent = words.join(", ");
  }

  /** @returns {{ message: string, hint: string } | undefined} what is wrong, which is then shown */
  check() {
    const wrong = [this.#start, this.#end].find(({ validity }) => !validity.valid);
    const isEmpty = this.#end.value !== "" && Number(this.#end.value) <= this.startSeconds;
    const input = wrong ?? (isEmpty ? this.#end : undefined);
    if (!input) return undefined;
    this.#fold.open = true;
    input.focus();
    return wrong
      ? { message: "A time must be a number of seconds from 0 on.", hint: "Such as 12.5." }
      : { message: "The part must end after its beginning.", hint: "Give a later end, or none." };
  }
}
