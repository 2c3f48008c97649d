/**
 * Crosshair: the value at the height of the pointer, at the left edge of its pane.
 */

import { formatDecimals } from "../../server/page/decimals.js";
import { asNumbers } from "./axes.js";

/** @import { AxisLayout, Plot } from "./types.d.ts" */

/** An axis is told apart by steps of a pixel. Its values have as many decimals as these need. */
const MAX_STEP_DECIMALS = 10;

const CROSSHAIR_STYLE = `
.tickerkit-at { position: absolute; left: 0; top: 0; z-index: 3; padding: 0 4px; border-radius: 3px;
  font: 11px/16px "Open Sans", verdana, arial, sans-serif; white-space: nowrap;
  font-variant-numeric: tabular-nums; pointer-events: none; color: #fff; background: #57606a; }
.tickerkit-at[hidden] { display: none; }`;

/**
 * What the pointer shows: a value as text, and where its label ends.
 *
 * @typedef {{text: string, right: number, y: number}} PointerValue
 */

/** The label of one plot. */
export class Crosshair {
  #plot;
  #label = document.createElement("div");

  /**
   * @param {HTMLElement} box
   * @param {Plot} plot
   */
  constructor(box, plot) {
    this.#plot = plot;
    const style = document.createElement("style");
    style.textContent = CROSSHAIR_STYLE;
    this.#label.className = "tickerkit-at";
    this.#label.setAttribute("aria-hidden", "true");
    this.#label.hidden = true;
    box.append(style, this.#label);
    plot.addEventListener("pointermove", (event) => this.#show(event));
    plot.addEventListener("pointerleave", () => {
      this.#label.hidden = true;
    });
  }

  /** @param {PointerEvent} event */
  #show({ clientX, clientY }) {
    const { left, top } = this.#plot.getBoundingClientRect();
    const at = findPointerValue(this.#plot._fullLayout ?? {}, clientX - left, clientY - top);
    this.#label.hidden = !at;
    if (!at) return;
    this.#label.textContent = at.text;
    const [x, y] = [Math.round(at.right), Math.round(at.y)];
    this.#label.style.transform = `translate(${x}px, ${y}px) translate(-100%, -50%)`;
  }
}

/**
 * Return the value at a place of the plot; null beside its panes, and where the y axis has no line
 * that follows the pointer.
 *
 * @param {Record<string, any>} layout with all that Plotly has filled in
 * @param {number} x
 * @param {number} y
 * @returns {PointerValue | null}
 */
export function findPointerValue(layout, x, y) {
  for (const [key, axis] of Object.entries(layout)) {
    if (!/^yaxis\d*$/.test(key) || !axis.showspikes || axis.spikesnap !== "cursor") continue;
    if (axis.overlaying || !holds(axis, y)) continue;
    const across = layout[`xaxis${String(axis.anchor ?? "x").slice(1)}`];
    const range = asNumbers(axis.range, "linear");
    if (!across || !holds(across, x) || !range?.every(Number.isFinite)) continue;
    const [bottom, top] = range;
    const place = top + ((y - axis._offset) / axis._length) * (bottom - top);
    const value = axis.type === "log" ? 10 ** place : place;
    return { text: formatPointer(axis, value), right: across._offset - 1, y };
  }
  return null;
}

/**
 * @param {AxisLayout} axis
 * @param {number} at
 */
function holds({ _offset = NaN, _length = NaN }, at) {
  return at >= _offset && at <= _offset + _length;
}

/**
 * Return a value with the decimals of its axis; without a format, with those that a pixel needs.
 *
 * @param {AxisLayout} axis
 * @param {number} value
 */
function formatPointer({ tickformat, ticksuffix = "", range = [], _length = 1 }, value) {
  const [, sign, digits] = /^(\+?),?\.(\d+)f$/.exec(tickformat ?? "") ?? [];
  const step = Math.abs(range[1] - range[0]) / _length;
  const needed = Math.min(Math.max(0, Math.ceil(-Math.log10(step))), MAX_STEP_DECIMALS);
  const decimals = digits === undefined ? needed || 0 : Number(digits);
  return formatDecimals(value, decimals, sign === "+") + ticksuffix;
}
