/**
 * Elements: how a widget makes the parts of its page. Text becomes text, never markup.
 */

/**
 * Return a new element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {{text?: string, [attribute: string]: string | undefined}} attributes `text` is its text
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, { text, ...attributes } = {}, children = []) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/**
 * Set an element's text, only if it differs: setting it costs a layout.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number} number */
export const formatCount = (number) => number.toLocaleString("en");

/** @param {number} bytes */
export function formatRate(bytes) {
  if (bytes < 1e3) return `${Math.round(bytes)} B/s`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB/s` : `${(bytes / 1e6).toFixed(1)} MB/s`;
}

/**
 * Return a time after a start, in seconds.
 *
 * @param {number} time in microseconds
 * @param {number} start likewise
 */
export const formatTime = (time, start) => ((time - start) / 1e6).toFixed(3);
