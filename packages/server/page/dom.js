/** Finding and making elements. */

/**
 * The element of an id, which index.html has.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.querySelector(`#${id}`);
  if (element instanceof type) return element;
  throw new TypeError(`index.html has no ${type.name} with the id ${id}.`);
}

/**
 * A new element.
 * @param {string} tag
 * @param {{ readonly className?: string, readonly text?: string }} [content]
 * @param {readonly Node[]} [children]
 * @returns {HTMLElement}
 */
export function make(tag, content = {}, children = []) {
  const element = document.createElement(tag);
  if (content.className !== undefined) element.className = content.className;
  if (content.text !== undefined) element.textContent = content.text;
  element.append(...children);
  return element;
}

/**
 * Shows an error's message and hint, or hides the place if there is none.
 * @param {HTMLElement} place
 * @param {{ readonly message: string, readonly hint?: string | undefined } | undefined} error
 */
export function showError(place, error) {
  place.hidden = error === undefined;
  place.replaceChildren();
  if (error === undefined) return;
  place.append(make("strong", { text: error.message }));
  if (error.hint) place.append(make("p", { text: error.hint }));
}
