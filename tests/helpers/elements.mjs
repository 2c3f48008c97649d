/** Elements without a page: as much of them as the tests' subjects touch. */

import { Raster } from "../../tickerkit/chart/figure/raster.js";

/** An element with attributes and children. */
export class FakeElement {
  attributes = new Map();
  style = {};

  /** @param {Record<string, string>} attributes */
  constructor(attributes = {}, children = []) {
    this.attributes = new Map(Object.entries(attributes));
    this.children = children;
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  removeAttribute(name) {
    this.attributes.delete(name);
  }
}

/** Return what stands for Plotly's element: the elements that each selector finds, and its data. */
export const fakePlot = (found, rest = {}) => ({
  querySelectorAll: (selector) => found[selector] ?? [],
  _fullData: [],
  _fullLayout: {},
  layout: {},
  ...rest,
});

/** The canvas of a plot whose only subplot begins at the top left. */
export class FakeCanvas {
  ratio = 1;
  isShown = false;

  constructor(width, height) {
    this.raster = new Raster(width, height);
  }

  readColor() {
    return { red: 255, green: 0, blue: 0, alpha: 1 };
  }

  cover() {}

  place(xaxis, yaxis) {
    return { left: 0, top: 0, right: xaxis._length, bottom: yaxis._length };
  }

  show() {
    this.isShown = true;
  }

  hide() {
    this.isShown = false;
  }

  /** Return where something is drawn: the left, top, right and bottom pixel; null for nowhere. */
  inked() {
    const { bytes, width } = this.raster;
    const drawn = [...bytes.keys()].filter((at) => at % 4 === 3 && bytes[at]);
    if (!drawn.length) return null;
    const columns = drawn.map((at) => (at >> 2) % width);
    const rows = drawn.map((at) => Math.floor((at >> 2) / width));
    return [Math.min(...columns), Math.min(...rows), Math.max(...columns), Math.max(...rows)];
  }

  /** Return the middle of what is drawn in a column, in pixels from the top. */
  height(column) {
    const { bytes, width, height } = this.raster;
    const rows = Array.from({ length: height }, (_, row) => row);
    const drawn = rows.filter((row) => bytes[4 * (row * width + column) + 3] > 127);
    return (drawn[0] + drawn.at(-1) + 1) / 2;
  }
}
