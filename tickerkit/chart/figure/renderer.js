// Draws the streamed traces of one view: what of them is visible, as few points as show all of it.

import { Quick } from "./svg_patch.js";
import { asNumbers, axisKey, brief, columnEdges, followX, followY, isFixed } from "./axes.js";

const FULL_EVERY_MS = 250;
const HOVER_EVERY_MS = 60;
const PIXELS_PER_BAR = 2;
const PIXELS_PER_MARKERS = 6;
const LABEL_GAP_PX = 3;
const DECADES = 6; // shown of a logarithmic axis whose data begin at zero or below

/** What a view shows of the figure's series. */
export class Drawing {
  constructor(view) {
    this.view = view;
    this.forget();
  }

  /** Begin anew: nothing of what was drawn counts. */
  forget() {
    this.x = new Map();
    this.y = new Map();
    this.spans = new Map();
    this.quick = null;
    this.drawnAt = -Infinity;
  }

  /** The streamed traces that are visible, with all that drawing them takes. */
  streams() {
    const { plot, figure } = this.view;
    const streams = [];
    for (const [index, trace] of plot.data.entries()) {
      const series = figure.series.get(trace.uid);
      if (!series || (trace.visible ?? true) !== true) continue;
      const [x, y] = [trace.xaxis ?? "x", trace.yaxis ?? "y"];
      const full = plot._fullData.find((each) => each.index === index) ?? {};
      const bars = trace.type === "bar" || series.names.length > 1;
      streams.push({ index, trace, full, series, x, y, bars, root: this.rootOf(x) });
    }
    return streams;
  }

  /** The axis that another one, and so its whole row or column of subplots, keeps pace with. */
  rootOf(id) {
    const { layout } = this.view.figure;
    const seen = new Set();
    while (layout[axisKey(id)]?.matches && !seen.has(id)) {
      seen.add(id);
      id = layout[axisKey(id)].matches;
    }
    return id;
  }

  axis(id) {
    return this.view.plot._fullLayout[axisKey(id)] ?? {};
  }

  /** The ids of the x axes that show the same range. */
  groups(streams) {
    const groups = new Map();
    for (const { x, root } of streams) {
      if (!groups.has(root)) groups.set(root, new Set([root]));
      groups.get(root).add(x);
    }
    return groups;
  }

  fixed(ids) {
    const { layout } = this.view.figure;
    return [...ids].map((id) => layout[axisKey(id)]).find(isFixed);
  }

  /** Return for each group of x axes the range to show next; null where Plotly shall choose. */
  rangesOfX(streams) {
    const ranges = new Map();
    for (const [root, ids] of this.groups(streams)) {
      const type = this.axis(root).type;
      const fixed = this.fixed(ids);
      const before = this.x.get(root);
      if (fixed) ranges.set(root, { range: asNumbers(fixed.range, type) });
      else if (!this.view.figure.following && before) ranges.set(root, before);
      else ranges.set(root, this.following(streams, root, type, before));
    }
    return ranges;
  }

  following(streams, root, type, before) {
    let [least, greatest] = [Infinity, -Infinity];
    for (const { series, bars, ...stream } of streams) {
      const extent = stream.root === root && series.xExtent();
      if (!extent) continue;
      const pad = bars ? this.halfBar(series, this.mostBars(root)) : 0;
      least = Math.min(least, extent[0] - pad);
      greatest = Math.max(greatest, extent[1] + pad);
    }
    if (least > greatest) return null;
    const right = type === "log" ? Math.log10(greatest) : greatest;
    const scaled = [type !== "log" ? least : least > 0 ? Math.log10(least) : right - DECADES, right];
    if (!scaled.every(Number.isFinite)) return null;
    return followX(before, scaled, this.spans.get(root));
  }

  /** How many bars there is room for: what is narrower can't be told apart, and costs as much. */
  mostBars(id) {
    return Math.max(100, Math.floor((this.axis(id)._length || 700) / PIXELS_PER_BAR));
  }

  halfBar(series, most) {
    const group = Math.max(1, 2 ** Math.ceil(Math.log2(series.length / most)));
    const [last, before] = [series.at(series.next - 1), series.at(series.next - 2)];
    return before ? ((last.x - before.x) * group) / 2 : 0;
  }

  /** Return for each y axis with streamed traces only the extent of what is visible. */
  extentsOfY(streams, ranges) {
    const { plot } = this.view;
    const extents = new Map();
    const mixed = new Set();
    for (const full of plot._fullData) {
      const isStream = streams.some((each) => each.index === full.index);
      if (full.visible === true && !isStream) mixed.add(full.yaxis ?? "y");
    }
    for (const stream of streams) {
      const { full, trace, y, root } = stream;
      const place = ranges.get(root);
      if (!place || mixed.has(y)) continue;
      const extent = this.extentOf(stream, place.range);
      if (!extent) continue;
      const known = extents.get(y);
      const fill = full.fill ?? "none";
      extents.set(y, {
        least: Math.min(known?.least ?? Infinity, extent[0]),
        greatest: Math.max(known?.greatest ?? -Infinity, extent[1]),
        fromZero: known?.fromZero || trace.type === "bar" || fill.startsWith("tozero"),
      });
    }
    return extents;
  }

  extentOf(stream, range) {
    const { series, trace, root } = stream;
    if (trace.type !== "bar") return series.extent(...series.between(...this.inData(root, range)));
    // Several bars drawn as one may be higher than each of them.
    const values = this.points(stream, range).y.filter((value) => !Number.isNaN(value));
    return values.length ? [Math.min(...values), Math.max(...values)] : null;
  }

  inData(id, [left, right]) {
    const [least, greatest] = left < right ? [left, right] : [right, left];
    return this.axis(id).type === "log" ? [10 ** least, 10 ** greatest] : [least, greatest];
  }

  /** Draw, in the cheap way where that shows the same; resolves when it is on the screen. */
  async draw() {
    const now = performance.now();
    const { hovered, figure } = this.view;
    const since = now - this.drawnAt;
    if (hovered && since < HOVER_EVERY_MS) return false;
    const streams = this.streams();
    if (!figure.following) {
      if (since < FULL_EVERY_MS) return false;
      if (!this.hasNews(streams)) return true;
    }
    if (!hovered && since < FULL_EVERY_MS && this.quick) {
      const ranges = this.rangesOfX(streams);
      if (this.quick.draw(streams, ranges, (stream, range) => this.points(stream, range))) {
        this.shownNow(streams, ranges);
        return true;
      }
    }
    this.drawnAt = now;
    await this.drawAll(streams);
    return true;
  }

  /** While the chart holds still: whether there is anything new in what it shows. */
  hasNews(streams) {
    const ranges = this.rangesOfX(streams);
    const shown = streams.map(({ series, root }) => {
      const place = ranges.get(root);
      return place ? [series.epoch, series.version, ...series.between(...this.inData(root, place.range))] : [];
    });
    const key = `${shown.join()};${[...ranges.values()].map((each) => each?.range).join()}`;
    const news = key !== this.shown;
    this.shown = key;
    return news;
  }

  // --- the full way -------------------------------------------------------------------------

  /** Give Plotly the visible part of all streamed traces, and have it draw. */
  async drawAll(streams = this.streams()) {
    const { plot, Plotly, figure } = this.view;
    this.quick?.undo();
    const ranges = this.rangesOfX(streams);
    const extents = this.extentsOfY(streams, ranges);
    for (const [root, ids] of this.groups(streams)) {
      const place = ranges.get(root);
      this.x.set(root, place);
      if (!place) continue;
      for (const id of ids) {
        const backwards = figure.layout[axisKey(id)]?.autorange === "reversed";
        this.setRange(id, backwards ? [...place.range].reverse() : place.range);
      }
    }
    for (const [id, { least, greatest, fromZero }] of extents) {
      const axis = figure.layout[axisKey(id)];
      if (isFixed(axis)) continue;
      const log = this.axis(id).type === "log";
      const ends = log ? [Math.log10(least), Math.log10(greatest)] : [least, greatest];
      if (!ends.every(Number.isFinite)) {
        // Below zero there is nothing to show on a logarithmic axis; Plotly finds what there is.
        this.y.delete(id);
        Object.assign((plot.layout[axisKey(id)] ??= {}), { autorange: true, range: undefined });
        continue;
      }
      if (figure.following || !this.y.has(id) || !this.fits(id, ends)) {
        this.y.set(id, followY(this.y.get(id), ends, fromZero && !log));
      }
      const range = this.y.get(id);
      this.setRange(id, axis?.autorange === "reversed" ? [...range].reverse() : range);
    }
    for (const stream of streams) this.fill(stream, ranges.get(stream.root));
    this.view.decorate(streams);
    await Plotly.redraw(plot);
    const quick = figure.following && [streams, (id) => this.axis(id), this.x, this.groups(streams)];
    this.quick = quick ? Quick.of(plot, ...quick) : null;
    this.shownNow(streams);
  }

  fits(id, [least, greatest]) {
    const [bottom, top] = this.y.get(id);
    return bottom <= least && greatest <= top && greatest - least > 0.2 * (top - bottom);
  }

  setRange(id, range) {
    const axis = (this.view.plot.layout[axisKey(id)] ??= {});
    axis.range = [...range];
    axis.autorange = false;
  }

  /** Put into a trace of Plotly's what is worth drawing of a series. */
  fill(stream, place) {
    const { trace, series, x } = stream;
    const axis = this.axis(x);
    const everything = axis.rangeslider?.visible || !place;
    const range = everything ? this.all(series, axis) : place.range;
    const points = range ? this.points(stream, range) : {};
    for (const name of ["x", ...series.names]) trace[name] = points[name] ?? [];
  }

  /** Return what is worth drawing of a series in a range of its axis. */
  points({ trace, full, series, bars, root, x }, range) {
    const axis = this.axis(x);
    if (bars) {
      const [from, to] = series.between(...this.inData(root, range));
      const [wider, further] = [Math.max(series.first, from - 1), Math.min(series.next, to + 1)];
      const how = trace.type === "bar" && this.isVolume(trace) ? "sum" : "peak";
      return series.bars(wider, further, this.mostBars(root), how);
    }
    const markers = full.mode?.includes("markers");
    const columns = (axis._length || 700) / (markers ? PIXELS_PER_MARKERS : 1);
    return series.line(columnEdges(range, columns, axis.type));
  }

  all(series, axis) {
    const extent = series.xExtent();
    if (!extent || axis.type !== "log") return extent;
    const right = Math.log10(extent[1]);
    return extent[0] > 0 ? [Math.log10(extent[0]), right] : [right - DECADES, right];
  }

  /** Bars beside candles are their volume: where several are drawn as one, it is their sum. */
  isVolume(trace) {
    const root = this.rootOf(trace.xaxis ?? "x");
    return this.view.plot.data.some(
      (each) => ["candlestick", "ohlc"].includes(each.type) && this.rootOf(each.xaxis ?? "x") === root,
    );
  }

  /** Note what is on the screen now, and put the labels of the newest values where they belong. */
  shownNow(streams, ranges = this.x) {
    const { plot, figure, overlay } = this.view;
    let newest = -Infinity;
    const labels = [];
    for (const { series, trace, full, x, y, root } of streams) {
      const last = series.last();
      if (!last) continue;
      newest = Math.max(newest, last.x);
      const [xaxis, yaxis] = [this.axis(x), this.axis(y)];
      const value = last[series.names.at(-1)];
      const range = ranges.get(root)?.range;
      const place = yaxis.type === "log" ? Math.log10(value) : value;
      const [bottom, top] = asNumbers(yaxis.range, "linear") ?? [];
      const inside = range && this.inData(root, range)[1] >= last.x;
      const height = (top - place) / (top - bottom);
      if (!figure.live.labels || !inside || !(height >= 0 && height <= 1)) continue;
      if (trace.type === "bar") continue;
      labels.push({
        key: trace.uid,
        text: brief(value, top - bottom) + (yaxis.ticksuffix ?? ""),
        color: (last.close < last.open && full.decreasing?.line?.color) || colorOf(full),
        x: xaxis._offset + xaxis._length + LABEL_GAP_PX,
        y: yaxis._offset + height * yaxis._length,
      });
    }
    overlay.values(labels);
    plot._tickerkit = { newest, quick: this.quick !== null };
  }
}

/** Return a trace's colour. */
export const colorOf = (full) =>
  full.line?.color ?? full.increasing?.line?.color ?? full.marker?.color ?? "#808080";
