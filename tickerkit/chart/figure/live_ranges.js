/**
 * Live ranges: chooses the next ranges of the axes that have streamed traces.
 */

import { asNumbers, followX, followY, isFixed } from "./axes.js";
import { readFormat } from "./newest_values.js";
import { findStackedAxes } from "./stacks.js";

/** @import { Place, Plot, Range, Stream, Trace } from "./types.d.ts" */
/** @import { PlotAxes } from "./plot_axes.js" */
/** @import { VisiblePoints } from "./visible_points.js" */

/** A chart that holds still keeps its range of y until the data fill less than this share of it. */
const MIN_FILLED = 0.2;
/** The name of shapes that show a level of an indicator; panes.py has it, too. */
const LEVEL_NAME = "level";
/** How many steps of its values' last decimal a y axis shows at least. */
const MIN_STEPS = 4;

/**
 * The extent of the visible points on the y axes that show the same range.
 *
 * @typedef {object} Extent
 * @property {Set<string>} ids
 * @property {number} least
 * @property {number} greatest
 * @property {boolean} fromZero
 * @property {number} minHeight
 */

/** The ranges of the axes of one plot, by the axes' ids. */
export class LiveRanges {
  #plot;
  #axes;
  #points;
  #span;
  /** The range of each group of x axes, by its root. @type {Map<string, Place | null>} */
  #x = new Map();
  /** The range of each group of y axes, by its root. @type {Map<string, Range>} */
  #y = new Map();
  /** The widths that range buttons have set, by root. @type {Map<string, number>} */
  #widths = new Map();

  /**
   * @param {Plot} plot
   * @param {PlotAxes} axes
   * @param {VisiblePoints} points
   * @param {() => number | null} span returns how many seconds an x axis shows at most
   */
  constructor(plot, axes, points, span = () => null) {
    this.#plot = plot;
    this.#axes = axes;
    this.#points = points;
    this.#span = span;
  }

  /** Choose all ranges again, whatever was shown before. */
  forget() {
    this.#x.clear();
    this.#y.clear();
    this.#widths.clear();
  }

  /** The range of each group of x axes at Plotly's last draw, by root. */
  get x() {
    return this.#x;
  }

  /**
   * Show the newest part of an x axis, in this width.
   *
   * @param {string} root
   * @param {number} width
   */
  setWidth(root, width) {
    this.#widths.set(root, width);
  }

  /**
   * Return the next range of each group of x axes, by root; null if Plotly has to choose it.
   *
   * @param {Stream[]} streams
   * @param {boolean} isFollowing
   */
  planX(streams, isFollowing) {
    /** @type {Map<string, Place | null>} */
    const places = new Map();
    for (const [root, ids] of this.#axes.groups(streams)) {
      const fixed = this.#axes.fixed(ids);
      const before = this.#x.get(root);
      if (fixed) {
        const range = asNumbers(fixed.range, this.#axes.drawn(root).type);
        places.set(root, { range: /** @type {Range} */ (range) });
      } else if (!isFollowing && before) {
        places.set(root, before);
      } else {
        places.set(root, this.#follow(streams, root));
      }
    }
    return places;
  }

  /**
   * @param {Stream[]} streams
   * @param {string} root
   */
  #follow(streams, root) {
    let [least, greatest, margin] = [Infinity, -Infinity, 0];
    for (const stream of streams) {
      const extent = stream.root === root && stream.series.xExtent();
      if (!extent) continue;
      const pad = this.#halfWidth(stream);
      least = Math.min(least, extent[0] - pad);
      greatest = Math.max(greatest, extent[1] + pad);
      margin = Math.max(margin, 2 * pad);
    }
    if (least > greatest) return null;
    // A trace without new points keeps its own last window, which must not stretch the axis.
    const span = (this.#span() ?? Infinity) * (this.#axes.drawn(root).type === "date" ? 1000 : 1);
    least = Math.max(least, greatest - span - margin);
    const range = this.#axes.toRange(root, [least, greatest]);
    if (!range.every(Number.isFinite)) return null;
    // The cells of a heat map fill the whole width.
    const isHeat = streams.every((stream) => stream.root !== root || stream.isHeat);
    return followX(this.#x.get(root), range, this.#widths.get(root), isHeat ? 0 : undefined);
  }

  /**
   * Return half the width of a column of cells, or of a bar, which may stand for several bars.
   *
   * @param {Stream} stream
   */
  #halfWidth({ series, root, hasBars, isHeat }) {
    if (!hasBars && !isHeat) return 0;
    const max = isHeat ? Infinity : this.#axes.maxBars(root);
    const group = Math.max(1, 2 ** Math.ceil(Math.log2(series.length / max)));
    const [last, before] = [series.at(series.next - 1), series.at(series.next - 2)];
    return last && before ? ((last.x - before.x) * group) / 2 : 0;
  }

  /**
   * Set the layout's ranges of all axes of the streams.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} places the ranges of the x axes, by root
   * @param {boolean} isFollowing
   */
  apply(streams, places, isFollowing) {
    const extents = this.#extentsOfY(streams, places);
    for (const [root, ids] of this.#axes.groups(streams)) {
      const place = places.get(root) ?? null;
      this.#x.set(root, place);
      if (!place) continue;
      for (const id of ids) this.#axes.setRange(id, place.range);
    }
    for (const [root, extent] of extents) {
      if (!this.#axes.fixed(extent.ids)) this.#applyY(root, extent, isFollowing);
    }
  }

  /**
   * Return the extent of the visible points for each group of y axes that has streamed traces only,
   * by its root.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} places
   */
  #extentsOfY(streams, places) {
    const streamed = new Set(streams.map((each) => each.index));
    const others = this.#plot._fullData.filter(
      (full) => full.visible === true && !streamed.has(full.index),
    );
    const ids = others.map((full) => full.yaxis ?? "y");
    for (const { isHeat, y } of streams) if (isHeat) ids.push(y); // Plotly fits it to the rows
    ids.push(...findStackedAxes(this.#plot, streams));
    const mixed = new Set(ids.map((id) => this.#axes.findRoot(id)));
    for (const { y } of streams) {
      // Plotly says only with its first draw whether bars are stacked.
      const hadRange = this.#y.has(this.#axes.findRoot(y)) && !isFixed(this.#axes.given(y));
      if (hadRange && mixed.has(this.#axes.findRoot(y))) this.#axes.clearRange(y);
    }
    for (const top of mixed) this.#y.delete(top);
    /** @type {Map<string, Extent>} */
    const extents = new Map();
    for (const stream of streams) {
      const { full, trace, y, root } = stream;
      const place = places.get(root);
      const top = this.#axes.findRoot(y);
      if (!place || mixed.has(top)) continue;
      const extent = this.#points.extent(stream, place.range);
      if (!extent) continue;
      const known = extents.get(top);
      const fill = full.fill ?? "none";
      extents.set(top, {
        ids: (known?.ids ?? new Set([top])).add(y),
        least: Math.min(known?.least ?? Infinity, extent[0]),
        greatest: Math.max(known?.greatest ?? -Infinity, extent[1]),
        fromZero: known?.fromZero || trace.type === "bar" || fill.startsWith("tozero"),
        minHeight: Math.min(known?.minHeight ?? Infinity, findMinHeight(full)),
      });
    }
    for (const { name, yref, y0 } of this.#plot._fullLayout.shapes ?? []) {
      const extent = name === LEVEL_NAME && extents.get(this.#axes.findRoot(yref));
      if (!extent || typeof y0 !== "number") continue;
      extent.least = Math.min(extent.least, y0);
      extent.greatest = Math.max(extent.greatest, y0);
    }
    return extents;
  }

  /**
   * @param {string} root
   * @param {Extent} extent
   * @param {boolean} isFollowing
   */
  #applyY(root, { ids, least, greatest, fromZero, minHeight }, isFollowing) {
    const isLog = this.#axes.isLog(root);
    /** @type {Range} */
    const ends = isLog ? [Math.log10(least), Math.log10(greatest)] : [least, greatest];
    if (!ends.every(Number.isFinite)) {
      // A logarithmic axis can't show values at or below zero; Plotly finds a range for the others.
      this.#y.delete(root);
      for (const id of ids) this.#axes.clearRange(id);
      return;
    }
    let range = this.#y.get(root);
    if (isFollowing || !range || !fits(range, ends)) {
      range = followY(range, ends, fromZero && !isLog, isLog ? 0 : minHeight);
      this.#y.set(root, range);
    }
    for (const id of ids) this.#axes.setRange(id, range);
  }
}

/**
 * Return the smallest height of an axis that shows a trace: smaller steps than those of its values
 * would have equal tick labels.
 *
 * @param {Trace} full
 */
function findMinHeight(full) {
  const format = readFormat(full);
  return format ? MIN_STEPS * 10 ** -format.decimals : 0;
}

/**
 * Return whether data fit a range, and fill enough of it.
 *
 * @param {Range} range
 * @param {Range} extent
 */
function fits([bottom, top], [least, greatest]) {
  return bottom <= least && greatest <= top && greatest - least > MIN_FILLED * (top - bottom);
}
