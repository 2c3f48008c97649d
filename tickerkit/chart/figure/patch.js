/**
 * Patch: draws what has changed since Plotly's last draw of a plot, without Plotly.
 *
 * Plotly takes 20 ms and more for a draw: it computes the whole figure again, though between two
 * frames only the traces and the x axis below them move. So Plotly draws now and then, and the
 * frames in between are patches. If a figure has elements that no patch can draw, Plotly draws all
 * frames.
 */

import { isFixed } from "./axes.js";
import { CanvasPatch } from "./canvas_traces.js";
import { HeatPatch } from "./heat_patch.js";
import { canMoveShape, MovingTicks } from "./moving_ticks.js";
import { createBarPatch } from "./svg_traces.js";

/** @import { CanvasLayer } from "./canvas_layer.js" */
/** @import { ChoosePoints } from "./canvas_traces.js" */
/** @import { PlotAxes } from "./plot_axes.js" */
/** @import { BarPatch } from "./svg_traces.js" */
/** @import { AxisLayout, Place, Plot, Stream } from "./types.d.ts" */

/** Draws the changes of one stream. @typedef {BarPatch | CanvasPatch | HeatPatch} TracePatch */

/** Draws the changes since Plotly's last draw of a plot. */
export class Patch {
  #patches;
  #order;
  #canvas;
  /** By the root of their axes. @type {Map<string, MovingTicks[]>} */
  #ticks = new Map();

  /**
   * Return a patch for these streams; null if Plotly has to draw them.
   *
   * @param {Plot} plot
   * @param {Stream[]} streams
   * @param {PlotAxes} axes
   * @param {Map<string, Place | null>} ranges of x as drawn, by root
   * @param {() => CanvasLayer | null} getCanvas
   */
  static create(plot, streams, axes, ranges, getCanvas) {
    const filled = streams.filter(hasPoints);
    const layout = plot._fullLayout;
    const visible = plot._fullData.filter((each) => each.visible === true).length;
    const hasExtras = layout.annotations?.length || layout.images?.length;
    const canMove = (layout.shapes ?? []).every(canMoveShape);
    if (!filled.length || visible !== filled.length || hasExtras || !canMove) return null;
    const order = sortStreams(filled, layout);
    const ordered = order.map((index) => filled[index]);
    if (isAnyLineCovered(ordered, layout)) return null;
    const ofLines = filled.filter(({ full }) => full.type === "scatter");
    const canvas = ofLines.length ? getCanvas() : null;
    /** @type {Map<string, TracePatch>} */
    const patches = new Map();
    for (const stream of filled) {
      if (!ranges.get(stream.root)) return null;
      const patch = createTracePatch(plot, stream, axes, ranges, canvas);
      if (!patch) return null;
      patches.set(stream.trace.uid, patch);
    }
    canvas?.cover(
      ofLines.map(({ x }) => axes.drawn(x)),
      ofLines.map(({ y }) => axes.drawn(y)),
    );
    const ticks = new Map();
    for (const [root, ids] of axes.groups(filled)) {
      const { range } = /** @type {Place} */ (ranges.get(root));
      const ofRoot = [...ids].map((id) => new MovingTicks(plot, id, axes.drawn(id), range));
      ticks.set(root, ofRoot);
    }
    return new Patch(patches, order, ticks, canvas);
  }

  /**
   * @param {Map<string, TracePatch>} patches one for each stream with points, by the trace's uid
   * @param {number[]} order in which the streams are drawn, by their indices
   * @param {Map<string, MovingTicks[]>} ticks
   * @param {CanvasLayer | null} canvas
   */
  constructor(patches, order, ticks, canvas) {
    this.#patches = patches;
    this.#order = order;
    this.#ticks = ticks;
    this.#canvas = canvas;
  }

  /** Whether lines are drawn on the canvas. */
  get hasCanvas() {
    return this.#canvas !== null;
  }

  /** Whether all streams are drawn on a canvas. */
  get isOnCanvas() {
    return [...this.#patches.values()].every(
      (patch) => patch instanceof CanvasPatch || patch instanceof HeatPatch,
    );
  }

  /**
   * Draw the streams; return false, with nothing drawn, if Plotly has to draw them.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} ranges of x, by root
   * @param {ChoosePoints} choose returns the points to draw
   */
  draw(streams, ranges, choose) {
    const filled = streams.filter(hasPoints);
    if (filled.length !== this.#patches.size) return false;
    const draws = [];
    for (const stream of filled) {
      const patch = this.#patches.get(stream.trace.uid);
      const now = ranges.get(stream.root)?.range;
      if (!patch || !now) return false;
      const draw = patch.plan(stream, now, choose);
      if (!draw) return false;
      draws.push(draw);
    }
    this.#canvas?.raster.clear();
    for (const number of this.#order) draws[number]();
    this.#canvas?.show();
    for (const [root, ticks] of this.#ticks) {
      const range = ranges.get(root)?.range;
      for (const each of ticks) if (range) each.move(range);
    }
    return true;
  }

  /**
   * Return whether an axis has come to a tick that only Plotly can draw.
   *
   * @param {Map<string, Place | null>} ranges of x, by root
   */
  isDue(ranges) {
    return [...this.#ticks].some(([root, ticks]) => {
      const range = ranges.get(root)?.range;
      return range && ticks.some((each) => each.isDue(range));
    });
  }

  /** Show what Plotly has drawn, where it has drawn it. */
  undo() {
    this.#canvas?.hide();
    for (const patch of this.#patches.values()) if ("undo" in patch) patch.undo();
    for (const ticks of this.#ticks.values()) for (const each of ticks) each.undo();
  }
}

/**
 * Return whether a stream has points; Plotly makes a trace without any invisible.
 *
 * @param {Stream} stream
 */
const hasPoints = ({ series }) => series.length > 0;

/**
 * Return the patch for a stream that Plotly has just drawn; null if Plotly has to draw it.
 *
 * @param {Plot} plot
 * @param {Stream} stream
 * @param {PlotAxes} axes
 * @param {Map<string, Place | null>} ranges of x as drawn, by root
 * @param {CanvasLayer | null} canvas
 * @returns {TracePatch | null}
 */
function createTracePatch(plot, stream, axes, ranges, canvas) {
  const [x, y] = [axes.drawn(stream.x), axes.drawn(stream.y)];
  if (stream.isHeat) return HeatPatch.create(plot, stream, x, y);
  if (!canPatch(x, y)) return null;
  if (stream.full.type !== "scatter") {
    const { range } = /** @type {Place} */ (ranges.get(stream.root));
    return createBarPatch(plot, stream, { x, y }, range);
  }
  const isLive = !isFixed(axes.given(stream.y));
  return canvas && CanvasPatch.create(plot, stream, { x, y, isLive }, canvas);
}

/**
 * Return whether a trace on these axes can be patched.
 *
 * @param {AxisLayout} xaxis
 * @param {AxisLayout} yaxis
 */
function canPatch(xaxis, yaxis) {
  const isKnown =
    ["linear", "date"].includes(xaxis.type ?? "") && ["linear", "log"].includes(yaxis.type ?? "");
  if (!isKnown || !xaxis._length || xaxis.autorange === "reversed") return false;
  return !xaxis.rangeslider?.visible && !xaxis.rangebreaks?.length;
}

/**
 * Return the indices of streams in the order in which Plotly draws them: subplot by subplot, and
 * after each one those that overlay it.
 *
 * @param {Pick<Stream, "x" | "y">[]} streams
 * @param {Record<string, any>} layout
 */
function sortStreams(streams, layout) {
  const places = streams.map((stream) => {
    /** @type {string[]} */
    const subplots = layout._subplots?.cartesian ?? [];
    const [main, own] = [findMain(stream, layout), stream.x + stream.y];
    return [subplots.indexOf(main), main === own ? -1 : subplots.indexOf(own)];
  });
  return [...streams.keys()].sort((one, other) => {
    const [[main, own], [otherMain, otherOwn]] = [places[one], places[other]];
    return main - otherMain || own - otherOwn || one - other;
  });
}

/**
 * Return the subplot whose area a stream is drawn in, which others may overlay.
 *
 * @param {Pick<Stream, "x" | "y">} stream
 * @param {Record<string, any>} layout
 */
function findMain({ x, y }, layout) {
  return String(layout._plots?.[x + y]?.mainplot ?? x + y);
}

/**
 * Return whether Plotly draws something else above a line: the canvas is above all else.
 *
 * @param {Stream[]} streams in the order in which Plotly draws them
 * @param {Record<string, any>} layout
 */
function isAnyLineCovered(streams, layout) {
  const isCovered = (/** @type {Stream} */ line, /** @type {Stream} */ other) =>
    other.full.type !== "scatter" &&
    other.x + other.y !== line.x + line.y && // lines are above all else in a subplot
    findMain(other, layout) === findMain(line, layout);
  return streams.some((line, place) => {
    return (
      line.full.type === "scatter" &&
      streams.slice(place + 1).some((other) => isCovered(line, other))
    );
  });
}
