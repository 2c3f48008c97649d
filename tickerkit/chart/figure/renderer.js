/**
 * Renderer: draws the streamed traces of one view, with no more points than the screen can show.
 */

import { LiveRanges } from "./live_ranges.js";
import { makeNewestLabels, writeLegend } from "./newest_values.js";
import { PercentBases } from "./percent.js";
import { PlotAxes } from "./plot_axes.js";
import { SvgPatch } from "./svg_patch.js";
import { measureLack, measureTitleCut } from "./top_margin.js";
import { VisiblePoints } from "./visible_points.js";

/** @import { Place, Range, Stream } from "./types.d.ts" */
/** @import { View } from "./view.js" */

/** The shortest time between two draws by Plotly, which are the expensive ones. */
const FULL_DRAW_EVERY_MS = 250;
/** The same while the mouse is over the chart: Plotly's hover labels need its own draws. */
const HOVER_DRAW_EVERY_MS = 60;
/** After a draw of a heat map that took longer than this, Plotly rests for three times as long. */
const SLOW_DRAW_MS = 50;
/** The margin on the right grows in steps: not with every digit of a price. */
const MARGIN_STEP_PX = 10;

/** Draws the visible points of the figure's series in one view. */
export class Renderer {
  #view;
  #points;
  #ranges;
  #bases;
  /** @type {SvgPatch | null} */
  #patch = null;
  #drawnAt = -Infinity; // when Plotly drew
  #restMs = 0; // how long Plotly draws nothing after its last draw
  #canStandIn = false; // a patch can draw the cells of the heat maps
  #shown = ""; // identifies what was drawn last while the chart held still

  /** @param {View} view */
  constructor(view) {
    this.#view = view;
    this.axes = new PlotAxes(view.plot, () => view.figure.layout);
    this.#bases = new PercentBases(this.axes);
    this.#points = new VisiblePoints(view.plot, this.axes);
    this.#ranges = new LiveRanges(view.plot, this.axes, this.#points, () => view.figure.span);
  }

  /** Choose all ranges again, and draw in full. */
  reset() {
    this.#ranges.forget();
    this.#patch?.undo();
    this.#patch = null;
    this.invalidate();
  }

  /** Draw in full with the next draw, however recent the last full draw is. */
  invalidate() {
    this.#drawnAt = -Infinity;
  }

  /**
   * Show the newest part of an x axis, in this width.
   *
   * @param {string} id
   * @param {number} width
   */
  showLast(id, width) {
    this.#ranges.setWidth(this.axes.findRoot(id), width);
  }

  /** Return the visible traces whose points are streamed, with all values needed to draw them. */
  streams() {
    const { plot, figure } = this.#view;
    /** @type {Stream[]} */
    const streams = [];
    for (const [index, trace] of plot.data.entries()) {
      const series = figure.points.get(trace.uid);
      if (!series || (trace.visible ?? true) !== true) continue;
      const [x, y] = [trace.xaxis ?? "x", trace.yaxis ?? "y"];
      const full = plot._fullData.find((each) => each.index === index) ?? {};
      const hasBars = trace.type === "bar" || series.names.length > 1;
      const isHeat = trace.type === "heatmap";
      const [root, base] = [this.axes.findRoot(x), this.#bases.of(trace)];
      streams.push({ index, trace, full, series, x, y, hasBars, isHeat, root, base });
    }
    return streams;
  }

  /**
   * Draw: by a patch if a patch can show the change, otherwise by Plotly.
   *
   * @returns whether it is drawn; false if only Plotly can draw it, and its last draw is too recent
   */
  async draw() {
    const { isHovered, figure } = this.#view;
    const now = performance.now();
    const elapsed = now - this.#drawnAt;
    if (isHovered && elapsed < Math.max(HOVER_DRAW_EVERY_MS, this.#restMs)) return false;
    const streams = this.streams();
    if (!figure.isFollowing) {
      if (elapsed < FULL_DRAW_EVERY_MS) return false;
      if (!this.#hasChanged(streams)) return true;
    }
    const isPatchTime = elapsed < Math.max(FULL_DRAW_EVERY_MS, this.#restMs);
    if (!isHovered && isPatchTime && this.#drawPatch(streams)) return true;
    if (elapsed < this.#restMs) return false;
    this.#drawnAt = now;
    await this.drawFull(streams, isHovered || !figure.isFollowing);
    return true;
  }

  /** @param {Stream[]} streams */
  #drawPatch(streams) {
    if (!this.#patch) return false;
    const places = this.#ranges.planX(streams, this.#view.figure.isFollowing);
    const points = (/** @type {Stream} */ stream, /** @type {Range} */ range) =>
      this.#points.of(stream, range);
    if (!this.#patch.draw(streams, places, points)) return false;
    this.#noteDrawn(streams, places);
    return true;
  }

  /**
   * Return whether the visible part of a chart that holds still has changed since the last call.
   *
   * @param {Stream[]} streams
   */
  #hasChanged(streams) {
    const places = this.#ranges.planX(streams, this.#view.figure.isFollowing);
    const positions = streams.map(({ series, root }) => {
      const place = places.get(root);
      if (!place) return [];
      const visible = series.between(...this.axes.toData(root, place.range));
      return [series.epoch, series.version, ...visible];
    });
    const ranges = [...places.values()].map((each) => each?.range);
    const shown = `${positions.join()};${ranges.join()}`;
    const hasChanged = shown !== this.#shown;
    this.#shown = shown;
    return hasChanged;
  }

  /**
   * Give Plotly the visible points of all streamed traces, and have Plotly draw.
   *
   * @param {Stream[]} streams
   * @param {boolean} needsCells whether Plotly needs the cells of heat maps: to show them while
   *   hovering, or to export them
   * @returns {Promise<void>}
   */
  async drawFull(streams = this.streams(), needsCells = true) {
    const { plot, Plotly, figure } = this.#view;
    const startedAt = performance.now();
    const hasHeat = streams.some(({ isHeat }) => isHeat);
    const standsIn = hasHeat && this.#canStandIn && !needsCells;
    this.#patch?.undo();
    const places = this.#ranges.planX(streams, figure.isFollowing);
    this.#bases.choose(streams, places, figure.isFollowing);
    this.#ranges.apply(streams, places, figure.isFollowing);
    for (const { trace, full } of streams) {
      // As px.line makes them of many points. Thinned, they need no WebGL, and patches draw them.
      if (trace.type === "scattergl" && full.mode === "lines") trace.type = "scatter";
    }
    for (const stream of streams) this.#points.fill(stream, places.get(stream.root), standsIn);
    if (figure.live.labels) writeLegend(plot, streams, this.axes, figure.data);
    await Plotly.redraw(plot);
    this.#patch = figure.isFollowing ? this.#createPatch(streams) : null;
    this.#canStandIn = this.#patch !== null;
    if (standsIn && !this.#drawPatch(streams)) {
      this.#canStandIn = false;
      return this.drawFull(streams);
    }
    const tookMs = performance.now() - startedAt;
    this.#restMs = hasHeat && tookMs > SLOW_DRAW_MS ? 3 * tookMs : 0;
    this.#makeRoomAbove();
    this.#noteDrawn(streams, this.#ranges.x);
  }

  /** @param {Stream[]} streams */
  #createPatch(streams) {
    const { axes } = this;
    const axis = (/** @type {string} */ id) => axes.drawn(id);
    return SvgPatch.create(this.#view.plot, streams, axis, this.#ranges.x, axes.groups(streams));
  }

  /**
   * Move the labels of the newest values, and note what is on the screen now.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} places the ranges of the x axes, by root
   */
  #noteDrawn(streams, places) {
    const { plot, figure, overlay } = this.#view;
    const hasLabels = figure.live.labels;
    const width = overlay.showLabels(
      hasLabels ? makeNewestLabels(plot, streams, this.axes, places, figure.data) : [],
    );
    if (width > (plot._fullLayout._size?.r ?? Infinity)) this.#widenMargin("r", width);
    const newest = Math.max(
      -Infinity,
      ...streams.map(({ series }) => series.last()?.x ?? -Infinity),
    );
    plot._tickerkit = { newest, hasPatch: this.#patch !== null, streams };
  }

  /** Make room for title and legend if one is cut or covered; not with each patch: it measures. */
  #makeRoomAbove() {
    const { plot } = this.#view;
    const cut = measureTitleCut(plot);
    if (cut > 0) {
      const { pad } = plot._fullLayout.title;
      plot.layout.title = { ...plot.layout.title, pad: { ...pad, t: pad.t + Math.ceil(cut) } };
      this.#view.invalidate();
    }
    const lack = measureLack(plot);
    if (lack > 0) this.#widenMargin("t", (plot._fullLayout._size?.t ?? 0) + lack);
  }

  /**
   * Widen a margin; none ever shrinks, so the plot stays calm.
   *
   * @param {"r" | "t"} side
   * @param {number} width in pixels
   */
  #widenMargin(side, width) {
    const { plot } = this.#view;
    const margin = Math.ceil(width / MARGIN_STEP_PX) * MARGIN_STEP_PX;
    if (plot.layout.margin?.[side] >= margin) return; // Plotly has no room for it
    plot.layout.margin = { ...plot.layout.margin, [side]: margin };
    this.#view.invalidate();
  }
}
