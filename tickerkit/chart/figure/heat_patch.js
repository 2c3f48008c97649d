/**
 * Heat patch: draws the newest columns of a heat map over Plotly's picture of it.
 *
 * Plotly makes a PNG of all cells with each draw (250,000 cells: some 100 ms). So between two draws
 * by Plotly the cells are painted on a canvas, in the place of Plotly's image.
 */

import { parseCanvasColor, readColor } from "./canvas_layer.js";
import { findCells, isEven, makeCellEdges, makeColorTable, paintCells } from "./heat_map.js";

/** @import { AxisLayout, Columns, Plot, Range, Stream, Trace } from "./types.d.ts" */
/** @import { Color, Colors } from "./heat_map.js" */

/**
 * Where cells are on the canvas, and where the canvas is in the plot area, in pixels.
 *
 * @typedef {object} CellPlace
 * @property {Int32Array} columnOf the column of cells at each pixel across; -1 for none
 * @property {Int32Array} rowOf the row of cells at each pixel down; -1 for none
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 */

const SVG = "http://www.w3.org/2000/svg";
const CELLS_CLASS = "tickerkit-cells";

/** Reads the colours of all scales; null if the browser has no canvas.
 *  @type {CanvasRenderingContext2D | null | undefined} */
let colorReader;

/** Draws the columns of one heat map. */
export class HeatPatch {
  #group;
  #rows;
  #y;
  #colors;
  /** @type {SVGForeignObjectElement | null} */
  #frame = null;
  #canvas = document.createElement("canvas");
  /** @type {ImageData | null} */
  #image = null;

  /**
   * Return the patch of a heat map that Plotly has just drawn; null if only Plotly can draw it.
   *
   * @param {Plot} plot
   * @param {Stream} stream
   * @param {AxisLayout} xaxis
   * @param {AxisLayout} yaxis
   */
  static create(plot, { full, series }, xaxis, yaxis) {
    const isPlain = !full.zsmooth && !full.xgap && !full.ygap && !full.texttemplate;
    const isFlat = ["linear", "date"].includes(xaxis.type ?? "") && !full.xperiod;
    const isMoved = xaxis.rangeslider?.visible || xaxis.rangebreaks?.length;
    const [left, right] = xaxis.range ?? [];
    const isForward = xaxis.autorange !== "reversed" && !(left > right);
    if (!isPlain || !isFlat || isMoved || !isForward || full.connectgaps) return null;
    const drawn = [...plot.querySelectorAll(".heatmaplayer > .hm")].find((each) => {
      // D3, which Plotly uses, has bound data to the element.
      return /** @type {any} */ (each).__data__?.[0]?.trace?.uid === full.uid;
    });
    const edges = /** @type {any} */ (drawn)?.__data__[0].y;
    const colors = readColors(full, plot._fullLayout);
    if (!drawn || !colors || edges?.length !== series.rows + 1 || !xaxis._length) return null;
    const c2p = /** @type {(value: number) => number} */ (/** @type {any} */ (yaxis).c2p);
    const ends = Float64Array.from(edges, (edge) => c2p(edge));
    if (!ends.every(Number.isFinite)) return null;
    const isEvenInY = yaxis.type !== "log" && isEven(/** @type {number[]} */ (full._y ?? edges));
    const { opacity = 1 } = full;
    return new HeatPatch(drawn, series.rows, { ...colors, opacity }, xaxis._length, {
      ends,
      isEven: isEvenInY,
      height: /** @type {number} */ (yaxis._length),
    });
  }

  /**
   * @param {Element} group Plotly's element of the trace
   * @param {number} rows
   * @param {Colors & {opacity: number}} colors and the opacity of the whole picture
   * @param {number} width of the plot area, in pixels
   * @param {{ends: Float64Array, isEven: boolean, height: number}} y the edges of the rows in
   *   pixels from the top, whether they are even, and the height of the plot area
   */
  constructor(group, rows, colors, width, y) {
    this.#group = group;
    this.#rows = rows;
    this.#colors = colors;
    this.#y = y;
    this.area = { width };
  }

  /**
   * Return a function that draws a stream's columns; null if Plotly has to draw them.
   *
   * @param {Stream} stream
   * @param {Range} range of x
   * @param {(stream: Stream, range: Range) => Columns} choose returns the columns to draw
   */
  plan(stream, range, choose) {
    const { x, z } = choose(stream, range);
    const [left, right] = range;
    const rows = this.#rows;
    if (x.length < 2 || z.length !== x.length * rows) return null;
    const scale = this.area.width / (right - left);
    const ends = makeCellEdges(x).map((edge) => (edge - left) * scale);
    for (let at = 1; at < ends.length; at++) if (!(ends[at] > ends[at - 1])) return null;
    const place = this.#y.isEven && isEven(x) ? this.#placeEvenly(ends) : this.#placeByPixel(ends);
    return () => this.#draw(z, place);
  }

  /**
   * Return where cells of equal sizes are: each is one pixel of the canvas, which is stretched.
   *
   * @param {Float64Array} across the edges of the columns, in pixels
   * @returns {CellPlace}
   */
  #placeEvenly(across) {
    const down = this.#y.ends;
    const [left, right] = [across[0], across[across.length - 1]];
    const [first, last] = [down[0], down[down.length - 1]];
    const rows = Int32Array.from({ length: this.#rows }, (_, row) => row);
    return {
      columnOf: Int32Array.from({ length: across.length - 1 }, (_, column) => column),
      rowOf: first > last ? rows.reverse() : rows,
      left,
      top: Math.min(first, last),
      width: Math.round(right - left),
      height: Math.round(Math.abs(last - first)),
    };
  }

  /**
   * Return where cells of different sizes are: each covers whole pixels.
   *
   * @param {Float64Array} across the edges of the columns, in pixels
   * @returns {CellPlace}
   */
  #placeByPixel(across) {
    const down = this.#y.ends;
    const left = Math.max(0, across[0]);
    const width = Math.round(Math.min(this.area.width, across[across.length - 1]) - left);
    const [above, below] = [down[0], down[down.length - 1]].sort((one, other) => one - other);
    const top = Math.max(0, above);
    const height = Math.round(Math.min(this.#y.height, below) - top);
    return {
      columnOf: findCells(
        across.map((edge) => edge - left),
        Math.max(0, width),
      ),
      rowOf: findCells(
        down.map((edge) => edge - top),
        Math.max(0, height),
      ),
      left,
      top,
      width,
      height,
    };
  }

  /**
   * @param {Float64Array} z
   * @param {CellPlace} place
   */
  #draw(z, { columnOf, rowOf, left, top, width, height }) {
    if (!columnOf.length || !rowOf.length) return;
    const canvas = this.#canvas;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    let image = this.#image;
    if (image?.width !== columnOf.length || image.height !== rowOf.length) {
      canvas.width = columnOf.length;
      canvas.height = rowOf.length;
      image = context.createImageData(columnOf.length, rowOf.length);
      this.#image = image;
    }
    const pixels = new Uint32Array(image.data.buffer);
    paintCells(pixels, z, this.#rows, columnOf, rowOf, this.#colors);
    context.putImageData(image, 0, 0);
    const frame = this.#showFrame();
    const size = { x: left, y: top, width, height };
    for (const [name, value] of Object.entries(size)) frame.setAttribute(name, String(value));
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }

  /** Put the canvas in the place of Plotly's image. */
  #showFrame() {
    if (this.#frame) return this.#frame;
    const frame = document.createElementNS(SVG, "foreignObject");
    frame.classList.add(CELLS_CLASS);
    const { opacity } = this.#colors;
    this.#canvas.style.cssText = `display:block;image-rendering:pixelated;opacity:${opacity}`;
    frame.append(this.#canvas);
    this.#group.append(frame);
    this.#setImageVisible(false);
    this.#frame = frame;
    return frame;
  }

  /** @param {boolean} isVisible */
  #setImageVisible(isVisible) {
    for (const image of this.#group.querySelectorAll("image")) {
      image.style.visibility = isVisible ? "" : "hidden";
    }
  }

  /** Show Plotly's own image again. */
  undo() {
    this.#frame?.remove();
    this.#frame = null;
    this.#setImageVisible(true);
  }
}

/**
 * Return the colours of a heat map as Plotly has drawn it; null without a range of values.
 *
 * @param {Trace} full
 * @param {Record<string, any>} layout with all that Plotly has filled in
 * @returns {Colors | null}
 */
function readColors(full, layout) {
  const axis = layout[full.coloraxis];
  const [least, greatest] = axis ? [axis.cmin, axis.cmax] : [full.zmin, full.zmax];
  const { colorscale, reversescale } = axis ?? full;
  if (!Array.isArray(colorscale) || !(greatest > least)) return null;
  /** @type {[number, Color][]} */
  const scale = colorscale.map(([share, color]) => [Number(share), readStop(color)]);
  if (reversescale) for (const stop of scale.reverse()) stop[0] = 1 - stop[0];
  return { table: makeColorTable(scale), least, greatest };
}

/**
 * Return the parts of a colour in any form that Plotly takes.
 *
 * @param {string} color
 * @returns {Color}
 */
function readStop(color) {
  if (colorReader === undefined) colorReader = document.createElement("canvas").getContext("2d");
  const parts = colorReader ? readColor(colorReader, color) : parseCanvasColor(color);
  const { red, green, blue, alpha } = parts;
  return [red, green, blue, alpha];
}
