/**
 * Canvas traces: draws the points of one stream as pixels on a canvas, as Plotly draws its trace.
 */

import { asNumbers } from "./axes.js";
import { cutDashes, readDash } from "./dashes.js";

/** @import { CanvasLayer } from "./canvas_layer.js" */
/** @import { AxisLayout, Color, Columns, Plot, Range, Stream, Trace } from "./types.d.ts" */

/** The axes of a trace, as drawn; y is live if it follows the points.
 *  @typedef {{x: AxisLayout, y: AxisLayout, isLive: boolean}} Axes */
/** @typedef {(stream: Stream, range: Range, columns?: number) => Columns} ChoosePoints */

const MODES = ["lines", "markers", "lines+markers"];
/** Where a step between two points goes up or down, as a share of the way.
 *  @type {Record<string, number[]>} */
const STEPS = { linear: [], hv: [1], vh: [0], hvh: [0.5], vhv: [] };
/** @type {Record<string, "circle" | "square">} */
const SYMBOLS = { circle: "circle", square: "square", 0: "circle", 1: "square" };
/** How many heights of a logarithmic axis zero is below its middle, as in Plotly. */
const LOG_CLIP = 10;
/** What a trace may have that is not drawn here. @type {((full: Trace) => unknown)[]} */
const EXTRAS = [
  ({ selectedpoints }) => selectedpoints,
  ({ stackgroup }) => stackgroup,
  ({ fillgradient }) => fillgradient && fillgradient.type !== "none",
  ({ fillpattern }) => fillpattern?.shape,
  ({ error_x, error_y }) => error_x?.visible || error_y?.visible,
  ({ cliponaxis }) => cliponaxis === false,
  ({ connectgaps }) => connectgaps,
  ({ xperiod, yperiod }) => xperiod || yperiod,
  ({ zorder }) => zorder,
];

/** The points to draw, in pixels; one memory for all draws, because only one is drawn at a time. */
let across = new Float64Array(0);
let down = new Float64Array(0);

/** Draws one trace of lines, an area or markers. */
export class CanvasPatch {
  #canvas;
  #groups;
  #look;
  #axes;
  #isLive;

  /**
   * Return a patch for a stream; null if the canvas can't show it as Plotly does.
   *
   * @param {Plot} plot
   * @param {Stream} stream
   * @param {Axes} axes
   * @param {CanvasLayer} canvas
   */
  static create(plot, { trace, full }, axes, canvas) {
    // D3, which Plotly uses, has bound data to the elements; they contain the trace's uid.
    const groups = [...plot.querySelectorAll(".scatterlayer > .trace")].filter(
      (each) => /** @type {any} */ (each).__data__?.[0]?.trace?.uid === trace.uid,
    );
    const look = groups.length && readLook(full, (color) => canvas.readColor(color));
    if (!look || (look.area && axes.y.type === "log")) return null;
    return new CanvasPatch(/** @type {SVGElement[]} */ (groups), look, axes, canvas);
  }

  /**
   * @param {SVGElement[]} groups what Plotly has drawn
   * @param {Look} look
   * @param {Axes} axes
   * @param {CanvasLayer} canvas
   */
  constructor(groups, look, axes, canvas) {
    this.#groups = groups;
    this.#look = look;
    this.#axes = axes;
    this.#isLive = axes.isLive;
    this.#canvas = canvas;
  }

  /** Show what Plotly has drawn. */
  undo() {
    for (const group of this.#groups) group.style.visibility = "";
  }

  /**
   * Return a function that draws a stream's points; null if Plotly has to draw them.
   *
   * @param {Stream} stream
   * @param {Range} range of x
   * @param {ChoosePoints} choose
   */
  plan(stream, range, choose) {
    const canvas = this.#canvas;
    const place = canvas.place(this.#axes.x, this.#axes.y);
    const { line, area, markers, shape } = this.#look;
    const { x, y } = choose(stream, range, markers ? undefined : place.right - place.left);
    const toY = this.#mapY(place);
    if (this.#isLive && this.#leaves(x, y, range)) return null;
    return () => {
      for (const group of this.#groups) group.style.visibility = "hidden";
      const { raster, ratio } = canvas;
      raster.clip(place);
      const scale = (place.right - place.left) / (range[1] - range[0]);
      const toX = (/** @type {number} */ value) => place.left + (value - range[0]) * scale;
      const count = writePoints(x, y, shape, toX, toY);
      if (area) raster.area(across, down, count, toY(0), area);
      if (line) drawLine(canvas, line, count);
      if (!markers) return;
      const steps = writePoints(x, y, "linear", toX, toY);
      raster.markers(across, down, steps, markers.size * ratio, markers.symbol, markers.color);
    };
  }

  /**
   * Return a function from a value to its height in the canvas.
   *
   * @param {{top: number, bottom: number}} place
   */
  #mapY({ top, bottom }) {
    const { y } = this.#axes;
    const [low, high] = /** @type {Range} */ (asNumbers(y.range, "linear"));
    const scale = (bottom - top) / (high - low);
    if (y.type === "log") {
      // Plotly draws a line to a value of zero or below far downwards.
      const lowest = (low + high) / 2 - LOG_CLIP * Math.abs(high - low);
      return (/** @type {number} */ value) =>
        top + (high - (value <= 0 ? lowest : Math.log10(value))) * scale;
    }
    return (/** @type {number} */ value) => top + (high - value) * scale;
  }

  /**
   * Return whether a visible point is above or below the range of y.
   *
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {Range} range
   */
  #leaves(x, y, range) {
    const { y: axis } = this.#axes;
    const [left, right] = [Math.min(...range), Math.max(...range)];
    const ends = /** @type {Range} */ (asNumbers(axis.range, "linear"));
    const [one, other] = axis.type === "log" ? ends.map((end) => 10 ** end) : ends;
    const [low, high] = one < other ? [one, other] : [other, one];
    // No range holds infinite values; nor does a logarithmic one hold zero and below.
    const least = axis.type === "log" ? 0 : -Infinity;
    for (let i = 0; i < x.length; i++) {
      const isOutside = (y[i] < low && y[i] > least) || (y[i] > high && y[i] < Infinity);
      if (isOutside && x[i] >= left && x[i] <= right) return true;
    }
    return false;
  }
}

/** How a line looks: its width, and the lengths of its dashes and gaps.
 *  @typedef {{width: number, dashes: number[], color: Color}} Line */
/**
 * How a trace looks.
 *
 * @typedef {object} Look
 * @property {string} shape of its line
 * @property {Line | null} line
 * @property {Color | null} area
 * @property {{size: number, symbol: "circle" | "square", color: Color} | null} markers
 */

/**
 * Return how a trace looks; null if only Plotly can draw it.
 *
 * @param {Trace} full with all that Plotly has filled in
 * @param {(color: string) => Color} readColor
 * @returns {Look | null}
 */
export function readLook(full, readColor) {
  const { mode, fill = "none", line = {}, marker = {}, opacity = 1, fillcolor } = full;
  const shape = line.shape ?? "linear";
  if (!MODES.includes(mode) || !(shape in STEPS) || !["none", "tozeroy"].includes(fill))
    return null;
  if (EXTRAS.some((has) => has(full))) return null;
  const hasLine = mode.includes("lines") && line.width !== 0;
  const hasMarkers = mode.includes("markers");
  // Plotly makes a whole trace translucent, not each of its parts.
  if (opacity < 1 && Number(hasLine) + Number(hasMarkers) + Number(fill !== "none") > 1)
    return null;
  const dashes = readDash(line.dash, line.width);
  if (hasLine && (dashes === null || line.backoff > 0)) return null;
  if (hasMarkers && !isPlain(marker)) return null;
  const read = (/** @type {string} */ color, share = 1) => {
    const { alpha, ...rest } = readColor(color);
    return { ...rest, alpha: alpha * opacity * share };
  };
  return {
    shape,
    line: hasLine
      ? { width: line.width ?? 2, dashes: dashes ?? [], color: read(line.color) }
      : null,
    area: fill === "tozeroy" ? read(fillcolor) : null,
    markers: hasMarkers
      ? {
          size: marker.size,
          symbol: SYMBOLS[marker.symbol],
          color: read(marker.color, marker.opacity ?? 1),
        }
      : null,
  };
}

/**
 * Return whether all markers look the same, and like a disc or a square.
 *
 * @param {Record<string, any>} marker
 */
function isPlain({ symbol, size, color, opacity = 1, line, gradient, maxdisplayed, ...rest }) {
  const isOneColor = typeof color === "string" && typeof size === "number";
  const isTurned = rest.angle || rest.standoff || (rest.angleref ?? "up") !== "up";
  const hasMore = line?.width || (gradient?.type ?? "none") !== "none" || maxdisplayed;
  return symbol in SYMBOLS && isOneColor && typeof opacity === "number" && !isTurned && !hasMore;
}

/**
 * Draw the line whose corners are in `across` and `down`.
 *
 * @param {CanvasLayer} canvas
 * @param {Line} line
 * @param {number} count
 */
function drawLine({ raster, ratio }, { width, dashes, color }, count) {
  if (!dashes.length) {
    raster.line(across, down, count, width * ratio, color);
    return;
  }
  const lengths = dashes.map((length) => length * ratio);
  const { x, y } = cutDashes(across, down, count, lengths);
  raster.line(x, y, x.length, width * ratio, color);
}

/**
 * Write the corners of a line into `across` and `down`; return their count.
 *
 * @param {Float64Array} x
 * @param {Float64Array} y
 * @param {string} shape
 * @param {(value: number) => number} toX
 * @param {(value: number) => number} toY
 */
function writePoints(x, y, shape, toX, toY) {
  if (across.length < 3 * x.length) {
    [across, down] = [new Float64Array(4 * x.length), new Float64Array(4 * x.length)];
  }
  let count = 0;
  let [beforeX, beforeY] = [NaN, NaN];
  for (let i = 0; i < x.length; i++) {
    const atX = toX(x[i]);
    const atY = Number.isFinite(y[i]) ? toY(y[i]) : NaN;
    if (shape !== "linear" && !Number.isNaN(beforeY) && !Number.isNaN(atY)) {
      if (shape === "vhv") {
        const middle = (beforeY + atY) / 2;
        [across[count], down[count++]] = [beforeX, middle];
        [across[count], down[count++]] = [atX, middle];
      }
      for (const share of STEPS[shape]) {
        const corner = beforeX + share * (atX - beforeX);
        [across[count], down[count++]] = [corner, beforeY];
        [across[count], down[count++]] = [corner, atY];
      }
    }
    [across[count], down[count++]] = [atX, atY];
    [beforeX, beforeY] = [atX, atY];
  }
  return count;
}
