/**
 * Moving ticks: puts the ticks of x axes where their values are, between two draws by Plotly; and
 * shapes, such as the shades of gaps.
 */

/** @import { AxisLayout, Plot, Range } from "./types.d.ts" */

/** How far outside of its axis a tick may be and still be shown: it is rounded. */
const MAX_OUTSIDE_PX = 0.5;

/**
 * One element of a tick: its label, its mark or its line of the grid.
 *
 * @typedef {object} Tick
 * @property {SVGElement} element
 * @property {number} value
 * @property {string} transform by which Plotly has placed it
 */

/** The ticks of one x axis. */
export class MovingTicks {
  /** @type {Tick[]} */
  #ticks = [];
  /** @type {Element[]} */
  #shapes;
  #drawn;
  #width;
  #offset;
  #hasMoved = false;
  /** The least and the greatest tick, and the distance of the two newest. */
  #first = NaN;
  #last = NaN;
  #step = NaN;

  /**
   * @param {Pick<Plot, "querySelectorAll" | "_fullLayout">} plot
   * @param {string} id of the axis
   * @param {AxisLayout} axis as Plotly has just drawn it
   * @param {Range} range that it has drawn
   */
  constructor(plot, id, axis, range) {
    const selectors = [
      `.gridlayer > .${id} > path`,
      `.minor-gridlayer > .${id} > path`,
      `.zerolinelayer > .${id}zl`,
      `.zerolinelayer-above > .${id}zl`,
      `.${id}axislayer-above > path`,
      `.${id}axislayer-below > path`,
      `.${id}axislayer-above text`,
      `.${id}axislayer-below text`,
    ];
    this.#drawn = range;
    this.#width = axis._length ?? 0;
    this.#offset = axis._offset ?? 0;
    /** @type {Record<string, any>[]} */
    const shapes = plot._fullLayout.shapes ?? [];
    const ofAxis = [...shapes.keys()].filter((index) => shapes[index].xref === id);
    const groups = ofAxis.map((index) => `.shape-group[data-index="${index}"] > path`);
    this.#shapes = groups.length ? [...plot.querySelectorAll(groups.join())] : [];
    const values = new Set();
    for (const element of plot.querySelectorAll(selectors.join())) {
      // D3, which Plotly uses, has bound the tick's data to the element.
      const data = /** @type {any} */ (element).__data__;
      // The label of a period is in its middle, its mark and its line are at its start.
      const value = (element.tagName === "text" ? data?.periodX : undefined) ?? data?.x;
      if (typeof value !== "number") continue;
      const transform = element.getAttribute("transform") ?? "";
      this.#ticks.push({ element: /** @type {SVGElement} */ (element), value, transform });
      if (element.tagName === "text") values.add(value);
    }
    const sorted = [...values].sort((one, other) => one - other);
    this.#first = sorted[0] ?? NaN;
    this.#last = sorted.at(-1) ?? NaN;
    this.#step = sorted.length > 1 ? this.#last - /** @type {number} */ (sorted.at(-2)) : NaN;
  }

  /**
   * Move the ticks and shapes to their places in a range.
   *
   * @param {Range} range
   */
  move([left, right]) {
    const [drawnLeft, drawnRight] = this.#drawn;
    if (left === drawnLeft && right === drawnRight && !this.#hasMoved) return;
    this.#hasMoved = true;
    const before = this.#width / (drawnRight - drawnLeft);
    const now = this.#width / (right - left);
    for (const { element, value, transform } of this.#ticks) {
      const at = (value - left) * now;
      const shift = Math.round((at - (value - drawnLeft) * before) * 100) / 100;
      element.setAttribute("transform", `translate(${shift},0) ${transform}`);
      const isInside = at >= -MAX_OUTSIDE_PX && at <= this.#width + MAX_OUTSIDE_PX;
      element.style.visibility = isInside ? "" : "hidden";
    }
    const stretch = now / before;
    const shift = this.#offset * (1 - stretch) + (drawnLeft - left) * now;
    const transform = `translate(${shift},0) scale(${stretch},1)`;
    for (const shape of this.#shapes) shape.setAttribute("transform", transform);
  }

  /**
   * Return whether a range lacks a tick that Plotly would draw, or has lost one.
   *
   * @param {Range} range
   */
  isDue([left, right]) {
    return right >= this.#last + this.#step || left > this.#first;
  }

  /** Put ticks and shapes back where Plotly drew them. */
  undo() {
    if (!this.#hasMoved) return;
    for (const { element, transform } of this.#ticks) {
      element.setAttribute("transform", transform);
      element.style.visibility = "";
    }
    for (const shape of this.#shapes) shape.removeAttribute("transform");
    this.#hasMoved = false;
  }
}

/**
 * Return whether a shape can be moved with its axis.
 *
 * @param {Record<string, any>} shape with all that Plotly has filled in
 */
export function canMoveShape({ xref, xsizemode = "scaled", label }) {
  return typeof xref === "string" && xsizemode === "scaled" && !label?.text && !label?.texttemplate;
}
