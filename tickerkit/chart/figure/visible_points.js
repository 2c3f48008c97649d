/**
 * Visible points: chooses the points of a stream to draw in a range of its x axis.
 */

import { makeColumnEdges } from "./axes.js";
import { chooseColumns, standInRows, toRows } from "./heat_columns.js";
import { toPercent } from "./percent.js";
import { choosePointArrays } from "./point_arrays.js";
import { isCandles } from "./trace_types.js";

/** @import { Columns, Place, Plot, Range, Stream, Trace } from "./types.d.ts" */
/** @import { PlotAxes } from "./plot_axes.js" */
/** @import { Series } from "./series.js" */

/** Markers are wider than a pixel: closer markers would cover each other. */
const PIXELS_PER_MARKER = 6;
/** More columns of a heat map can't be distinguished. */
const COLUMNS_PER_PIXEL = 2;

/** Chooses the points to draw of a plot's streams. */
export class VisiblePoints {
  #plot;
  #axes;

  /**
   * @param {Plot} plot
   * @param {PlotAxes} axes
   */
  constructor(plot, axes) {
    this.#plot = plot;
    this.#axes = axes;
  }

  /**
   * Return the points to draw of a stream in a range of its x axis.
   *
   * @param {Stream} stream
   * @param {Range} range
   * @param {number} [resolution] how many columns of pixels to draw; Plotly's by default.
   *   A point may then be a quarter of a column beside its place
   * @returns {Columns}
   */
  of(stream, range, resolution) {
    const { trace, series, hasBars, base } = stream;
    if (stream.isHeat) return this.#columnsIn(stream, range);
    if (hasBars) {
      const how = trace.type === "bar" && this.#isVolume(trace) ? "sum" : "peak";
      const [start, stop, max] = this.#barsIn(stream, range);
      return series.bars(start, stop, max, how).columns;
    }
    const edges = this.#makeEdges(stream, range, resolution);
    const line = (resolution && series.outline(edges)) || series.line(edges);
    return base === null ? line : { x: line.x, y: line.y.map((value) => toPercent(value, base)) };
  }

  /**
   * Return the positions of the points that `of` returns without a resolution.
   *
   * @param {Stream} stream
   * @param {Range} range
   */
  #positions(stream, range) {
    const { series, hasBars } = stream;
    if (hasBars) return series.barPositions(...this.#barsIn(stream, range));
    return series.linePositions(this.#makeEdges(stream, range));
  }

  /**
   * Return the positions of the bars in a range, and how many of them can be drawn.
   *
   * @param {Stream} stream
   * @param {Range} range
   * @returns {[number, number, number]}
   */
  #barsIn({ series, root }, range) {
    const [from, to] = series.between(...this.#axes.toData(root, range));
    // The bars at the two edges are drawn too: a part of them is visible.
    const [start, stop] = [Math.max(series.first, from - 1), Math.min(series.next, to + 1)];
    return [start, stop, this.#axes.maxBars(root)];
  }

  /**
   * Return the borders of the columns in which the points of a line are told apart.
   *
   * @param {Stream} stream
   * @param {Range} range
   * @param {number} [resolution]
   */
  #makeEdges({ full, x }, range, resolution) {
    const hasMarkers = full.mode?.includes("markers");
    const width = this.#axes.width(x) / (hasMarkers ? PIXELS_PER_MARKER : 1);
    // A reversed axis shows the same points.
    const [left, right] = [Math.min(...range), Math.max(...range)];
    return makeColumnEdges([left, right], resolution ?? width, this.#axes.drawn(x).type);
  }

  /**
   * Return the least and the greatest y in a range of x, or null; the rows of a heat map never
   * change.
   *
   * @param {Stream} stream
   * @param {Range} range
   * @returns {[number, number] | null}
   */
  extent(stream, range) {
    const { series, trace, base, root } = stream;
    if (stream.isHeat) return null;
    if (trace.type !== "bar") {
      const extent = series.extent(...series.between(...this.#axes.toData(root, range)));
      if (base === null || !extent) return extent;
      return Number.isNaN(base) ? null : [toPercent(extent[0], base), toPercent(extent[1], base)];
    }
    // Several bars drawn as one may be higher than each of them.
    const values = this.of(stream, range).y.filter((value) => !Number.isNaN(value));
    return values.length ? [Math.min(...values), Math.max(...values)] : null;
  }

  /**
   * Put the points to draw into Plotly's trace.
   *
   * @param {Stream} stream
   * @param {Place | null | undefined} place the range of its x axis; null for all points
   * @param {boolean} standsIn whether two columns stand in for the cells of a heat map
   * @param {Trace} [own] the figure's own trace, whose properties may be arrays
   * @returns whether it has more points in the range, which are left out
   */
  fill(stream, place, standsIn, own) {
    const { trace, series, x } = stream;
    if (stream.isHeat) {
      this.#fillHeat(stream, place, standsIn);
      return false;
    }
    const showsAll = this.#axes.drawn(x).rangeslider?.visible || !place;
    const range = showsAll ? this.#fullRange(series, x) : place.range;
    const points = range ? this.of(stream, range) : {};
    for (const name of ["x", ...series.names]) trace[name] = points[name] ?? [];
    if (!range) return false;
    if (own) choosePointArrays(trace, own, () => this.#positions(stream, range));
    const [from, to] = series.between(...this.#axes.toData(stream.root, range));
    return to - from > points.x.length;
  }

  /**
   * @param {Stream} stream
   * @param {Place | null | undefined} place
   * @param {boolean} standsIn
   */
  #fillHeat(stream, place, standsIn) {
    const { trace, series } = stream;
    const extent = series.xExtent();
    if (standsIn && extent) {
      trace.x = Float64Array.from(extent);
      trace.z = standInRows(series);
      return;
    }
    const max = this.#maxColumns(stream);
    const { x, z } =
      series.length > max && place
        ? this.#columnsIn(stream, place.range)
        : chooseColumns(series, series.first, series.next, max);
    trace.x = x.slice();
    trace.z = toRows(z, series.rows);
  }

  /**
   * Return the columns of a heat map in a range, and one beyond each end.
   *
   * @param {Stream} stream
   * @param {Range} range
   */
  #columnsIn(stream, range) {
    const { series, root } = stream;
    const [from, to] = series.between(...this.#axes.toData(root, range));
    return chooseColumns(series, from - 1, to + 1, this.#maxColumns(stream));
  }

  /** @param {Stream} stream */
  #maxColumns({ x }) {
    return this.#axes.width(x) * COLUMNS_PER_PIXEL;
  }

  /**
   * @param {Series} series
   * @param {string} id
   */
  #fullRange(series, id) {
    const extent = series.xExtent();
    return extent && this.#axes.toRange(id, extent);
  }

  /**
   * Return whether bars are the volume of candles beside them: several drawn as one are summed.
   *
   * @param {Record<string, any>} trace
   */
  #isVolume(trace) {
    const root = this.#axes.findRoot(trace.xaxis ?? "x");
    return this.#plot.data.some(
      (each) => isCandles(each) && this.#axes.findRoot(each.xaxis ?? "x") === root,
    );
  }
}
