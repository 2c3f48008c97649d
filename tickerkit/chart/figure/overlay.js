/**
 * Overlay: elements on top of Plotly's drawing. These are labels with the newest values, at the
 * right edge, and a button that is shown while the chart is paused.
 */

/** @import { Label } from "./types.d.ts" */

const LABEL_HEIGHT_PX = 17;

const STYLE = `
.tickerkit-figure { position: relative; flex: 1 1 auto; min-width: 0; }
.tickerkit-value { position: absolute; left: 0; top: 0; padding: 0 4px; border-radius: 3px;
  font: 11px/16px "Open Sans", verdana, arial, sans-serif; color: #fff; white-space: nowrap;
  pointer-events: none; will-change: transform; }
.tickerkit-chip { position: absolute; left: 50%; transform: translateX(-50%); z-index: 5;
  padding: 3px 10px; border: 1px solid rgba(128,128,128,.5); border-radius: 12px; cursor: pointer;
  font: 12px/18px "Open Sans", verdana, arial, sans-serif; color: #24292f; background: #fff6d6; }
.tickerkit-chip:hover, .tickerkit-chip:focus-visible { background: #ffe9a3; }
.tickerkit-chip b { font-weight: 600; text-decoration: underline; }
.tickerkit-chip[hidden] { display: none; }`;

/** The button and the labels of one view. */
export class Overlay {
  #box;
  #button = document.createElement("button");
  #text = document.createTextNode("");
  /** @type {Map<string, {element: HTMLElement, width: number}>} */
  #labels = new Map();

  /**
   * @param {HTMLElement} box
   * @param {() => void} onResume
   */
  constructor(box, onResume) {
    this.#box = box;
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.#button.type = "button";
    this.#button.className = "tickerkit-chip";
    this.#button.hidden = true;
    this.#button.title = "Follow the newest points again (or double click the chart)";
    const resume = document.createElement("b");
    resume.textContent = "resume";
    this.#button.append(this.#text, resume);
    this.#button.addEventListener("click", onResume);
    box.append(style, this.#button);
  }

  hideButton() {
    this.#button.hidden = true;
  }

  /**
   * Show the button of a paused chart.
   *
   * @param {string} since the time of day of the newest point that is shown
   * @param {number} points how many points have come since
   * @param {number} top the height of the legend, below which the button is, in pixels
   */
  showButton(since, points, top) {
    this.#button.hidden = false;
    this.#button.style.top = `${top + 6}px`;
    const text = `paused at ${since}, ${points.toLocaleString("en-US")} new, `;
    if (this.#text.data !== text) this.#text.data = text;
  }

  /**
   * Show these labels, and no others.
   *
   * @param {Label[]} labels
   */
  showLabels(labels) {
    const gone = new Set(this.#labels.keys());
    for (const label of moveApart(labels, LABEL_HEIGHT_PX)) {
      gone.delete(label.key);
      this.#showLabel(label);
    }
    for (const key of gone) {
      this.#labels.get(key)?.element.remove();
      this.#labels.delete(key);
    }
  }

  /** @param {Label} label */
  #showLabel({ key, text, color, x, y }) {
    let label = this.#labels.get(key);
    if (!label) {
      label = { element: document.createElement("div"), width: 0 };
      label.element.className = "tickerkit-value";
      this.#labels.set(key, label);
      this.#box.append(label.element);
    }
    const { element } = label;
    // Set only what has changed: setting a property makes the browser compute the layout.
    if (element.textContent !== text) {
      element.textContent = text;
      label.width = element.offsetWidth;
    }
    if (element.style.backgroundColor !== color) element.style.backgroundColor = color;
    const left = Math.min(x, this.#box.clientWidth - label.width - 1);
    element.style.transform = `translate(${left}px, ${Math.round(y - LABEL_HEIGHT_PX / 2)}px)`;
  }
}

/**
 * Return labels from top to bottom, moved down where they would overlap.
 *
 * @param {Label[]} labels
 * @param {number} height of one label
 */
export function moveApart(labels, height) {
  const placed = labels.map((each) => ({ ...each })).sort((one, other) => one.y - other.y);
  for (let index = 1; index < placed.length; index++) {
    placed[index].y = Math.max(placed[index].y, placed[index - 1].y + height);
  }
  return placed;
}
