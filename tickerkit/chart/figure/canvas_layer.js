/**
 * Canvas layer: an image of our own between Plotly's grid and Plotly's labels.
 *
 * Plotly draws into two SVG elements: one with the axes, the grid and the traces, and one above it
 * with legend, shapes and hover labels. The canvas lies between them.
 */

import { Raster } from "./raster.js";

/** @import { AxisLayout, Color, Plot } from "./types.d.ts" */

/** Samples of a line in the width of a pixel of the page, whatever the screen's own pixels are. */
const SAMPLES = 4;

let hasWarned = false;

/** The canvas of one plot. */
export class CanvasLayer {
  #plot;
  #canvas;
  #context;
  /** @type {ImageData | null} */
  #image = null;
  raster = new Raster(1, 1);
  /** How many pixels of the canvas are as wide as one of the page. */
  ratio = 1;
  /** Where the canvas lies in the plot, in pixels of the page. */
  #left = 0;
  #top = 0;

  /**
   * Return the canvas of a plot; null, and a line in the console, if the browser has no canvas.
   *
   * @param {Plot} plot
   */
  static create(plot) {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d");
    if (context) return new CanvasLayer(plot, canvas, context);
    if (!hasWarned) console.warn("tickerkit: without a canvas, Plotly draws each frame: slowly.");
    hasWarned = true;
    return null;
  }

  /**
   * @param {Plot} plot
   * @param {HTMLCanvasElement} canvas
   * @param {CanvasRenderingContext2D} context
   */
  constructor(plot, canvas, context) {
    this.#plot = plot;
    this.#canvas = canvas;
    this.#context = context;
    canvas.className = "tickerkit-canvas";
    canvas.style.cssText = "position: absolute; pointer-events: none";
  }

  /**
   * Return a colour as numbers.
   *
   * @param {string} color as CSS writes it
   * @returns {Color}
   */
  readColor(color) {
    return readColor(this.#context, color);
  }

  /**
   * Cover the areas of these axes, as Plotly has just drawn them, with a transparent image.
   *
   * @param {AxisLayout[]} xaxes
   * @param {AxisLayout[]} yaxes
   */
  cover(xaxes, yaxes) {
    const ratio = window.devicePixelRatio || 1;
    const [left, right] = spread(xaxes, ratio);
    const [top, bottom] = spread(yaxes, ratio);
    const [width, height] = [Math.max(1, right - left), Math.max(1, bottom - top)];
    const canvas = this.#canvas;
    if (width !== this.raster.width || height !== this.raster.height || ratio !== this.ratio) {
      [canvas.width, canvas.height, this.ratio] = [width, height, ratio];
      this.raster = new Raster(width, height, Math.max(1, Math.round(SAMPLES / ratio)));
      this.#image = new ImageData(this.raster.bytes, width, height);
    }
    [this.#left, this.#top] = [left / ratio, top / ratio];
    Object.assign(canvas.style, {
      left: `${this.#left}px`,
      top: `${this.#top}px`,
      width: `${width / ratio}px`,
      height: `${height / ratio}px`,
    });
    const above = this.#plot.querySelectorAll(".main-svg")[1];
    if (canvas.nextSibling !== above) above.before(canvas);
  }

  /**
   * Return the area of a pair of axes, in pixels of the canvas.
   *
   * @param {AxisLayout} xaxis
   * @param {AxisLayout} yaxis
   */
  place(xaxis, yaxis) {
    const left = ((xaxis._offset ?? 0) - this.#left) * this.ratio;
    const top = ((yaxis._offset ?? 0) - this.#top) * this.ratio;
    const right = left + (xaxis._length ?? 0) * this.ratio;
    return { left, top, right, bottom: top + (yaxis._length ?? 0) * this.ratio };
  }

  /** Show what the raster holds. */
  show() {
    if (this.#image) this.#context.putImageData(this.#image, 0, 0);
    this.#canvas.style.display = "";
  }

  hide() {
    this.#canvas.style.display = "none";
  }
}

/**
 * Return the outer ends of some axes, in whole pixels of the screen.
 *
 * @param {AxisLayout[]} axes
 * @param {number} ratio
 */
function spread(axes, ratio) {
  const starts = axes.map(({ _offset }) => _offset ?? 0);
  const ends = axes.map(({ _offset, _length }) => (_offset ?? 0) + (_length ?? 0));
  return [Math.floor(Math.min(...starts) * ratio), Math.ceil(Math.max(...ends) * ratio)];
}

/**
 * Return a colour as numbers.
 *
 * @param {CanvasRenderingContext2D} context whose colour is changed
 * @param {string} color as CSS writes it
 */
export function readColor(context, color) {
  context.fillStyle = "#000"; // stays if the browser doesn't know the colour
  context.fillStyle = color;
  return parseCanvasColor(context.fillStyle);
}

/**
 * Return a colour as numbers.
 *
 * @param {unknown} color as a canvas writes it: "#rrggbb" or "rgba(r, g, b, a)"
 * @returns {Color}
 */
export function parseCanvasColor(color) {
  const text = String(color);
  const numbers = text.startsWith("#")
    ? [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16))
    : (text.match(/[\d.]+/g) ?? []).map(Number);
  const [red = 0, green = 0, blue = 0, alpha = 1] = numbers;
  return { red, green, blue, alpha };
}
