/**
 * SVG traces: draws changes to one row of bars in Plotly's SVG.
 */

import { asNumbers } from "./axes.js";
import { findDirections } from "./volume_colors.js";

/** @import { AxisLayout, Columns, Plot, Range, Stream } from "./types.d.ts" */

/** The axes of a row of bars, as drawn. @typedef {{x: AxisLayout, y: AxisLayout}} BarAxes */

/** How far a pixel may be from where it should be: Plotly rounds the ends of some bars. */
const TOLERANCE_PX = 1.01;
const NUMBER = /-?\d[\d.]*(e-?\d+)?/g;

/**
 * How Plotly draws a bar of one type.
 *
 * @typedef {object} Shape
 * @property {string} layer the class of the layer that holds the traces
 * @property {string} elements selects the paths of the bars in a trace
 * @property {string} letters the letters of a bar's path
 * @property {Record<string, HeightName>} heights by index of a number in the path: its height
 */

/**
 * The heights in a bar's path. "inside" is the close of a candle, which Plotly keeps inside of its
 * box; "bottom" and "top" are the ends of the box.
 *
 * @typedef {"zero" | "y" | "open" | "high" | "low" | "close" | "bottom" | "top"} Height
 * @typedef {Height | "inside"} HeightName
 */

/** @type {Record<string, Shape>} */
const SHAPES = {
  candlestick: {
    layer: "boxlayer",
    elements: "path.box",
    letters: "M,HM,HVHZM,VM,V",
    heights: { 1: "inside", 4: "bottom", 6: "top", 9: "bottom", 10: "low", 12: "top", 13: "high" },
  },
  ohlc: {
    layer: "ohlclayer",
    elements: "path",
    letters: "M,HM,VM,H",
    heights: { 1: "open", 4: "high", 5: "low", 7: "close" },
  },
  bar: {
    layer: "barlayer",
    elements: ".point path",
    letters: "M,VHVZ",
    heights: { 1: "zero", 2: "y", 4: "zero" },
  },
};

/**
 * The height of a y axis, as Plotly has just drawn it.
 *
 * @typedef {object} Area
 * @property {(value: number) => number} y returns the height of a value, in pixels from the top
 * @property {(value: number) => boolean} holds returns whether a value is inside
 */
/** The area of a row of bars, its width in pixels, and the range of x that it shows.
 *  @typedef {Area & {width: number, range: Range}} BarArea */

/**
 * @param {AxisLayout} yaxis
 * @returns {Area}
 */
function measureArea(yaxis) {
  const [bottom, top] = /** @type {Range} */ (asNumbers(yaxis.range, "linear"));
  const [low, high] = bottom < top ? [bottom, top] : [top, bottom];
  const height = /** @type {number} */ (yaxis._length);
  return {
    y: (value) => ((top - value) / (top - bottom)) * height,
    holds: (value) => value >= low && value <= high,
  };
}

/**
 * Return the patch for bars that Plotly has just drawn; null if Plotly has to draw them.
 *
 * @param {Plot} plot
 * @param {Stream} stream
 * @param {BarAxes} axes
 * @param {Range} range of x as drawn
 */
export function createBarPatch(plot, stream, { x, y }, range) {
  const shape = SHAPES[stream.full.type];
  if (!shape || y.type !== "linear") return null;
  const group = findGroup(plot, shape, stream.trace.uid);
  const paths = [...(group?.querySelectorAll(shape.elements) ?? [])];
  const patch = new BarPatch(
    /** @type {SVGElement} */ (group),
    paths,
    stream,
    { ...measureArea(y), width: x._length ?? 0, range },
    shape,
  );
  return patch.isAsExpected() ? patch : null;
}

/**
 * Return the element that holds a trace's bars.
 *
 * @param {Plot} plot
 * @param {Shape} shape
 * @param {string} uid
 */
function findGroup(plot, { layer }, uid) {
  const groups = [...plot.querySelectorAll(`.${layer} > .trace`)];
  // D3, which Plotly uses, has bound data to the element; they contain the trace's uid.
  return groups.find((each) => /** @type {any} */ (each).__data__?.[0]?.trace?.uid === uid);
}

/** Draws a row of bars if only the last bar has changed; all of them move with their axis. */
export class BarPatch {
  #group;
  #paths;
  #trace;
  #names;
  #area;
  #shape;

  /**
   * @param {SVGElement} group holds the paths
   * @param {Element[]} paths one for each bar
   * @param {Pick<Stream, "trace" | "series">} stream the columns of its trace are those drawn
   * @param {BarArea} area
   * @param {Shape} shape
   */
  constructor(group, paths, { trace, series }, area, shape) {
    this.#group = group;
    this.#paths = paths;
    this.#trace = trace;
    this.#names = ["x", ...series.names];
    this.#area = area;
    this.#shape = shape;
  }

  /** Put the bars where Plotly drew them. */
  undo() {
    this.#group.removeAttribute("transform");
  }

  /** @param {Range} range of x */
  #move([left, right]) {
    const { width, range } = this.#area;
    const now = width / (right - left);
    const stretch = (now * (range[1] - range[0])) / width;
    const shift = (range[0] - left) * now;
    if (!shift && stretch === 1) this.undo();
    else this.#group.setAttribute("transform", `translate(${shift},0) scale(${stretch},1)`);
  }

  /** Return whether the last bar's path is as expected: another plotly.js may draw it otherwise. */
  isAsExpected() {
    const d = this.#paths.at(-1)?.getAttribute("d") ?? "";
    if (this.#paths.length !== this.#trace.x.length) return false;
    if (d.replace(NUMBER, "") !== this.#shape.letters) return false;
    const numbers = (d.match(NUMBER) ?? []).map(Number);
    const heights = this.#heights(this.#trace, -1);
    return Object.entries(this.#shape.heights).every(
      ([index, name]) => Math.abs(numbers[+index] - this.#pixel(heights, name)) <= TOLERANCE_PX,
    );
  }

  /**
   * Return where Plotly draws one of a bar's heights.
   *
   * @param {Record<Height, number>} heights
   * @param {HeightName} name
   */
  #pixel(heights, name) {
    const { y } = this.#area;
    if (name !== "inside") return y(heights[name]);
    const [above, below] = [y(heights.top), y(heights.bottom)].sort((one, other) => one - other);
    return Math.max(above + 1, Math.min(y(heights.close), below - 1));
  }

  /**
   * Return the heights of one bar, and its direction: 1 up, -1 down.
   *
   * @param {Record<string, any>} columns
   * @param {number} index
   */
  #heights(columns, index) {
    const { y, open, high, low, close } = Object.fromEntries(
      this.#names.map((name) => [name, columns[name].at(index)]),
    );
    const [bottom, top] = [Math.min(open, close), Math.max(open, close)];
    const direction = Math.sign(close - open);
    return { zero: 0, y, open, high, low, close, bottom, top, direction };
  }

  /**
   * Return a function that draws the last bar; null if Plotly has to draw the bars.
   *
   * @param {Stream} stream
   * @param {Range} range of x
   * @param {(stream: Stream, range: Range) => Columns} choose returns the points to draw
   */
  plan(stream, range, choose) {
    const columns = choose(stream, range);
    if (!this.#isLastAlone(columns)) return null;
    const heights = this.#heights(columns, -1);
    const names = /** @type {Height[]} */ (
      Object.values(this.#shape.heights).filter((name) => name !== "inside")
    );
    if (!names.every((name) => this.#area.holds(heights[name]))) return null;
    const { candles } = stream;
    // Of bars of volume, the directions of their candles; Plotly's trace has them as colours.
    const directions = candles && findDirections(columns.x, choose(candles, range));
    const style = directions
      ? this.#findStyle(directions.at(-1) ?? 0, (index) => this.#trace.marker.color.at(index))
      : this.#findStyle(heights.direction);
    if (style === null) return null;
    const path = /** @type {Element} */ (this.#paths.at(-1));
    let number = 0;
    const d = /** @type {string} */ (path.getAttribute("d")).replace(NUMBER, (before) => {
      const name = this.#shape.heights[number++];
      return name ? String(Math.round(this.#pixel(heights, name) * 100) / 100) : before;
    });
    return () => {
      this.#move(range);
      path.setAttribute("d", d);
      path.setAttribute("style", style);
      for (const name of this.#names) this.#trace[name] = columns[name];
      if (directions) this.#trace.marker.color.set(directions);
    };
  }

  /**
   * Return whether all bars but the last are as drawn, and the last has the same x.
   *
   * @param {Columns} columns
   */
  #isLastAlone(columns) {
    const count = columns.x.length;
    if (count !== this.#trace.x.length) return false;
    for (const name of this.#names) {
      const drawn = this.#trace[name];
      const until = name === "x" ? count : count - 1;
      for (let index = 0; index < until; index++) {
        if (columns[name][index] !== drawn[index]) return false;
      }
    }
    return true;
  }

  /**
   * Return the style of a bar that goes up or down: the style of another bar with the same
   * direction, or null if there is no such bar.
   *
   * @param {number} direction
   * @param {(index: number) => number} drawn returns the direction of a bar as drawn
   */
  #findStyle(direction, drawn = (index) => this.#heights(this.#trace, index).direction) {
    if (drawn(-1) === direction || Number.isNaN(direction)) {
      return /** @type {Element} */ (this.#paths.at(-1)).getAttribute("style");
    }
    for (let index = this.#paths.length - 2; direction && index >= 0; index--) {
      if (drawn(index) === direction) {
        return this.#paths[index].getAttribute("style");
      }
    }
    return null;
  }
}
