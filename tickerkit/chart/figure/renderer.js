/**
 * Renderer: draws the streamed traces of one view, with no more points than the screen can show.
 */

import { CanvasLayer } from "./canvas_layer.js";
import { LiveRanges } from "./live_ranges.js";
import { makeNewestLabels, writeLegend } from "./newest_values.js";
import { PercentBases } from "./percent.js";
import { Patch } from "./patch.js";
import { PlotAxes } from "./plot_axes.js";
import { isPlotlyResting, notePlotlyDraw } from "./plotly_share.js";
import { joinStacks } from "./stacks.js";
import { measureLack, measureTitleCut } from "./top_margin.js";
import { VisiblePoints } from "./visible_points.js";
import { colorVolumes, findCandles } from "./volume_colors.js";

/** @import { Place, Stream } from "./types.d.ts" */
/** @import { ChoosePoints } from "./canvas_traces.js" */
/** @import { View } from "./view.js" */

/** The shortest time between two draws by Plotly, which are the expensive ones. */
const FULL_DRAW_EVERY_MS = 250;
/** The same while a canvas shows all that moves: then Plotly's draws only keep what hovering shows,
 *  and the ticks, up to date. */
const CANVAS_DRAW_EVERY_MS = 1000;
/** The shortest time while the mouse is over the chart: hover labels need Plotly's own draws. */
const HOVER_DRAW_EVERY_MS = 60;
/** The share of the page's time that Plotly's draws may take then. */
const MAX_HOVER_SHARE = 0.35;
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
  /** @type {Patch | null} */
  #patch = null;
  /** null if the browser has none. @type {CanvasLayer | null | undefined} */
  #canvas;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later; // Plotly's next draw, if nothing else causes one
  #drawnAt = -Infinity; // when Plotly drew
  #tookMs = 0; // how long Plotly's last draw took
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
    this.showPlotlys();
    this.invalidate();
  }

  /** Show Plotly's own drawing until the next draw: it moves while the user drags. */
  showPlotlys() {
    this.#patch?.undo();
    this.#patch = null;
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
      const candles = null;
      streams.push({ index, trace, full, series, x, y, hasBars, isHeat, root, base, candles });
    }
    for (const each of streams) each.candles = findCandles(each, streams, figure.data);
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
    const hoverRestMs = Math.max(HOVER_DRAW_EVERY_MS, this.#tookMs / MAX_HOVER_SHARE, this.#restMs);
    if (isHovered && elapsed < hoverRestMs) return false;
    const streams = this.streams();
    if (!figure.isFollowing) {
      if (elapsed < FULL_DRAW_EVERY_MS) return false;
      if (!this.#hasChanged(streams)) return true;
    }
    if (!isHovered && this.#drawPatch(streams, elapsed)) return true;
    if (elapsed < this.#restMs) return false;
    this.#drawnAt = now;
    await this.drawFull(streams, isHovered || !figure.isFollowing);
    return true;
  }

  /**
   * @param {Stream[]} streams
   * @param {number} elapsed milliseconds since Plotly's last draw
   */
  #drawPatch(streams, elapsed) {
    if (!this.#patch) return false;
    // The bases of percentages change with Plotly's draws.
    const isOnCanvas = this.#patch.isOnCanvas && streams.every(({ base }) => base === null);
    const wait = Math.max(isOnCanvas ? CANVAS_DRAW_EVERY_MS : FULL_DRAW_EVERY_MS, this.#restMs);
    // After a change, as by `invalidate`, Plotly draws at once.
    const isResting = Number.isFinite(elapsed) && isPlotlyResting(performance.now());
    if (elapsed >= wait && !isResting) return false;
    const places = this.#ranges.planX(streams, this.#view.figure.isFollowing);
    const mayDraw = elapsed >= Math.max(FULL_DRAW_EVERY_MS, this.#restMs) && !isResting;
    if (mayDraw && this.#patch.isDue(places)) return false;
    if (!this.#patch.draw(streams, places, this.#choose)) return false;
    // Plotly's own points, and the bases of percentages, stay behind only for so long.
    const later = Math.max(wait - elapsed, FULL_DRAW_EVERY_MS);
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#view.requestDraw();
    }, later);
    this.#noteDrawn(streams, places);
    return true;
  }

  /** @type {ChoosePoints} */
  #choose = (stream, range, columns) => this.#points.of(stream, range, columns);

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
    clearTimeout(this.#later);
    this.#later = undefined;
    this.showPlotlys();
    const places = this.#ranges.planX(streams, figure.isFollowing);
    this.#bases.choose(streams, places, figure.isFollowing);
    this.#ranges.apply(streams, places, figure.isFollowing);
    for (const { trace, full } of streams) {
      // As px.line makes them of many points. Thinned, they need no WebGL, and patches draw them.
      if (trace.type === "scattergl" && full.mode === "lines") trace.type = "scatter";
    }
    const thinned = streams.filter((stream) => {
      const own = figure.data.find(({ uid }) => uid === stream.trace.uid);
      return this.#points.fill(stream, places.get(stream.root), standsIn, own);
    });
    joinStacks(streams, thinned.length > 0, figure.data);
    colorVolumes(streams, figure.data);
    if (figure.live.labels) writeLegend(plot, streams, this.axes, figure.data);
    await Plotly.redraw(plot);
    if (figure.isFollowing) this.#startPatch(streams, standsIn);
    this.#canStandIn = this.#patch !== null;
    if (standsIn && !this.#canStandIn) return this.drawFull(streams);
    const endedAt = performance.now();
    notePlotlyDraw(startedAt, endedAt);
    this.#tookMs = endedAt - startedAt;
    this.#restMs = hasHeat && this.#tookMs > SLOW_DRAW_MS ? 3 * this.#tookMs : 0;
    this.#makeRoomAbove();
    this.#noteDrawn(streams, this.#ranges.x);
  }

  /**
   * Draw by patches from now on, if that can be.
   *
   * @param {Stream[]} streams
   * @param {boolean} standsIn whether Plotly has not drawn the cells of heat maps
   */
  #startPatch(streams, standsIn) {
    const { plot } = this.#view;
    const getCanvas = () => {
      if (this.#canvas === undefined) this.#canvas = CanvasLayer.create(plot);
      return this.#canvas;
    };
    const { x } = this.#ranges;
    this.#patch = Patch.create(plot, streams, this.axes, x, getCanvas);
    if (!this.#patch?.hasCanvas && !standsIn) return;
    if (!this.#patch?.draw(streams, x, this.#choose)) this.showPlotlys();
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
