// One place where a figure is shown: Plotly's drawing there, what the user does to it, and when it
// is drawn again.

import { Drawing, colorOf } from "./renderer.js";
import { Overlay } from "./overlay.js";
import { loadPlotly } from "./plotly.js";
import { copy, indicesOf, setPath } from "./figure_messages.js";
import { brief, isFixed, timeOfDay } from "./axes.js";
import { isDark, themed } from "./theme.js";

const HEIGHT = 360;
const POINT_EVENTS = ["click", "hover", "unhover", "selected", "deselect"];

/** A figure in one output of one page. */
export class View {
  constructor(figure, box) {
    this.figure = figure;
    this.box = box;
    this.id = Math.random().toString(36).slice(2);
    this.plot = document.createElement("div");
    // The room it will take, so that the page does not jump.
    this.plot.style.minHeight = `${figure.layout.height ?? HEIGHT}px`;
    box.classList.add("tickerkit-figure");
    this.overlay = new Overlay(box, () => figure.follow(true));
    box.prepend(this.plot);
    this.drawing = new Drawing(this);
    this.inView = true;
    this.queue = this.start().catch((error) => this.fail(error));
  }

  fail(error) {
    if (this.gone) return;
    console.error(error);
    this.plot.textContent = `The chart can't be drawn: ${error.message}`;
  }

  async start() {
    this.Plotly = await loadPlotly(this.figure.model);
    if (this.gone) return;
    await this.newPlot();
    const { plot } = this;
    plot.style.minHeight = "";
    plot.on("plotly_restyle", (event) => this.restyled(event));
    plot.on("plotly_relayout", (event) => this.relaidOut(event));
    plot.on("plotly_update", (event) => this.updated(event));
    for (const name of POINT_EVENTS) plot.on(`plotly_${name}`, (event) => this.pointed(name, event));
    plot.addEventListener("pointerenter", () => this.hover(true));
    plot.addEventListener("pointerleave", () => this.hover(false));
    plot.addEventListener("pointerdown", () => this.drag());
    plot.addEventListener("click", (event) => this.clicked(event), true);
    this.watches = [
      watch(ResizeObserver, this.box, () => this.resize()),
      watch(IntersectionObserver, this.box, (entries) => this.seen(entries.at(-1).isIntersecting)),
      watch(MutationObserver, document.body, () => this.retheme(), { attributes: true }),
    ];
    this.figure.report({
      trace_edit_id: this.figure.model.get("_last_trace_edit_id"),
      layout_edit_id: this.figure.model.get("_last_layout_edit_id"),
    });
    if (!this.figure.following) this.turned(false);
    this.schedule();
  }

  async newPlot() {
    const { figure, plot } = this;
    this.shows = figure.changes;
    const layout = copy(figure.layout);
    layout.height ??= HEIGHT;
    this.dark = isDark();
    layout.template = themed(layout.template, figure.theme, this.dark);
    const config = { ...copy(figure.model.get("_config")), editSelection: false };
    // A double click follows again; Plotly's own would first go back to some range of the past.
    if (figure.series.size) config.doubleClick ??= "autosize";
    this.drawing.forget();
    await this.Plotly.newPlot(plot, figure.data.map(copy), layout, config);
    await this.drawing.drawAll();
  }

  /** Show the figure's state anew. */
  restart() {
    this.later(() => this.newPlot());
  }

  /** Do something after all that was asked for before; nothing once the view is gone. */
  later(action) {
    this.queue = this.queue
      .then(() => (this.gone || !this.Plotly ? null : action()))
      .catch((error) => this.gone || console.error(error));
    return this.queue;
  }

  remove() {
    this.gone = true;
    for (const stop of this.watches ?? []) stop();
    cancelAnimationFrame(this.frame);
    window.removeEventListener("pointerup", this.drop);
    if (this.Plotly && this.plot._fullLayout) this.Plotly.purge(this.plot);
    this.box.replaceChildren();
  }

  // --- drawing ------------------------------------------------------------------------------

  /** Draw with the next frame, however many points come until then. */
  schedule() {
    this.stale = true;
    if (this.frame || this.busy || this.gone) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.later(() => this.tick());
    });
  }

  async tick() {
    if (!this.inView || this.dragging) return;
    this.busy = true;
    this.stale = false;
    try {
      this.pauseChip();
      if (!(await this.drawing.draw())) this.stale = true;
    } finally {
      this.busy = false;
    }
    if (this.stale) this.schedule();
  }

  pauseChip() {
    const { heldAt, following, count } = this.figure;
    if (following || !heldAt) this.overlay.paused(null);
    else this.overlay.paused(heldAt.clock, count - heldAt.count, this.plot._fullLayout._size.t);
  }

  /** Take that the figure follows, or holds still. */
  turned(following) {
    if (following) {
      this.drawing.forget();
      for (const key of this.figure.liveAxes()) {
        if (this.plot.layout?.[key]) this.plot.layout[key].autorange = true;
      }
    } else {
      const [stream] = this.Plotly ? this.drawing.streams() : [];
      const dates = stream && this.drawing.axis(stream.x).type === "date";
      const newest = dates && stream.series.last()?.x;
      const now = new Date();
      this.figure.heldAt.clock ??= newest ? timeOfDay(newest) : now.toTimeString().slice(0, 8);
    }
    this.drawing.drawnAt = -Infinity;
    this.schedule();
  }

  /** Write the newest values into the legend, and keep them out of what hovering shows. */
  decorate(streams) {
    const { figure, plot } = this;
    if (!figure.live.labels) return;
    for (const { trace, full, series, y } of streams) {
      const own = figure.data.find((each) => each.uid === trace.uid) ?? {};
      const last = series.last();
      // A bar's four values are shown with its name: a fifth would only confuse.
      if (!own.name || !last || full.showlegend === false || series.names.length > 1) continue;
      const axis = this.drawing.axis(y);
      const value = brief(last[series.names.at(-1)], axis.range?.[1] - axis.range?.[0]);
      const text = `${own.name} ${value}${axis.ticksuffix ?? ""}`;
      trace.name = `<span style="color:${colorOf(full)}">${text}</span>`;
      if (own.hovertemplate || own.hoverinfo || own.text) continue;
      const along = String(plot._fullLayout.hovermode).startsWith("x");
      trace.hovertemplate = `${along ? "%{y}" : "(%{x}, %{y})"}<extra>${own.name}</extra>`;
    }
  }

  resize() {
    const { plot } = this;
    if (!plot._fullLayout || !this.box.offsetParent) return;
    const { width, height } = this.figure.layout;
    if (width && height) return;
    // Not Plots.resize where a height is given: it forgets that, and the chart may be left with none.
    if (!height) this.later(() => this.box.offsetParent && this.Plotly.Plots.resize(plot));
    else if (!this.fits) {
      this.fits = true;
      this.later(() => {
        this.fits = false;
        return this.box.offsetParent && this.Plotly.relayout(plot, { autosize: true });
      });
    }
    this.drawing.drawnAt = -Infinity;
    this.schedule();
  }

  seen(isIntersecting) {
    this.inView = isIntersecting;
    if (isIntersecting) this.schedule();
  }

  retheme() {
    if (this.dark === isDark()) return;
    this.dark = isDark();
    const template = themed(copy(this.figure.layout.template), this.figure.theme, this.dark);
    this.later(() => this.Plotly.relayout(this.plot, { template, _doNotReportToPy: true }));
  }

  /** Make a picture, for the kernel to put in the place of the figure. */
  async picture() {
    await this.queue;
    const { width, height } = this.plot._fullLayout;
    const url = await this.Plotly.toImage(this.plot, { format: "png", width, height, scale: 2 });
    const { buffer } = Uint8Array.from(atob(url.split(",")[1]), (each) => each.charCodeAt(0));
    this.figure.send({ kind: "picture", width, height }, [buffer]);
  }

  // --- from Python --------------------------------------------------------------------------

  /** Take one of plotly's messages; resolves when Plotly has drawn it. */
  apply(kind, message) {
    const change = this.figure.changes;
    return this.later(async () => {
      // A plot that was made meanwhile, of the figure as it then was, has it already.
      if (change <= this.shows) return;
      if (message.source_view_id === "all" || message.source_view_id === this.id) return;
      await this[`apply_${kind}`](message);
      this.drawing.drawnAt = -Infinity;
      this.schedule();
    });
  }

  apply_addTraces({ trace_data: traces }) {
    return this.Plotly.addTraces(this.plot, traces.map(copy));
  }

  apply_deleteTraces({ delete_inds: indices }) {
    return this.Plotly.deleteTraces(this.plot, indices);
  }

  apply_moveTraces({ current_trace_inds: from, new_trace_inds: to }) {
    if (from.join() !== to.join()) return this.Plotly.moveTraces(this.plot, from, to);
  }

  apply_restyle({ restyle_data: style, restyle_traces: traces }) {
    return this.apply_update({ style_data: style, layout_data: {}, style_traces: traces });
  }

  apply_relayout({ relayout_data: changes }) {
    return this.Plotly.relayout(this.plot, { ...copy(changes), _doNotReportToPy: true });
  }

  apply_update({ style_data: style, layout_data: changes, style_traces: named }) {
    const { figure, plot } = this;
    const indices = indicesOf(named, figure.data);
    const layout = copy(changes ?? {});
    // Plotly takes new data for a reason to guess an axis' type anew, even where one is declared.
    for (const [key, axis] of Object.entries(figure.layout)) {
      if (/^[xy]axis\d*$/.test(key) && axis?.type) layout[`${key}.type`] ??= axis.type;
    }
    const marked = { ...copy(style ?? {}), _doNotReportToPy: true };
    return this.Plotly.update(plot, marked, layout, indices);
  }

  apply_animate({ style_data: data, layout_data: layout, style_traces: named, animation_opts }) {
    const traces = indicesOf(named, this.figure.data);
    const frame = { data: copy(data), layout: copy(layout), traces, _doNotReportToPy: true };
    return this.Plotly.animate(this.plot, frame, animation_opts);
  }

  // --- from the user ------------------------------------------------------------------------

  restyled(event) {
    if (!event?.[0] || "_doNotReportToPy" in event[0]) return;
    const [style_data, style_traces] = event;
    this.figure.tell("_js2py_restyle", { style_data, style_traces, source_view_id: this.id });
    this.drawing.drawnAt = -Infinity;
    this.schedule();
  }

  relaidOut(event) {
    if (!event || "_doNotReportToPy" in event) return;
    if (this.ofAxes(event)) return;
    this.figure.tell("_js2py_relayout", { relayout_data: event, source_view_id: this.id });
  }

  /** Take what a user's zoom, pan or double click says about live axes; whether that was all. */
  ofAxes(event) {
    const { figure } = this;
    const live = figure.liveAxes();
    const keys = Object.keys(event).filter((path) => live.has(path.split(".")[0]));
    if (!keys.length) return false;
    const about = (pattern) => keys.filter((path) => pattern.test(path));
    const zoomed = about(/^xaxis\d*\.range(\[|$)/);
    if (this.buttonAt && performance.now() - this.buttonAt < 300 && zoomed.length) {
      this.showLast(zoomed[0].split(".")[0]);
      return true;
    }
    if (about(/^xaxis\d*\.autorange/).length) {
      figure.follow(true);
      return true;
    }
    for (const path of keys) {
      setPath(figure.layout, path, event[path]);
      setPath(figure.layout, `${path.split(".")[0]}.autorange`, about(/\.autorange/).includes(path));
    }
    figure.keepSaved();
    if (zoomed.length) figure.follow(false);
    return false;
  }

  /** A range button says how much to show; it goes on to follow. */
  showLast(key) {
    const [left, right] = this.plot._fullLayout[key].range.map((end) => +new Date(`${end}Z`.replace(" ", "T")));
    this.figure.follow(true);
    this.later(() => this.drawing.spans.set(this.drawing.rootOf(`x${key.slice(5)}`), right - left));
  }

  updated(event) {
    const [style_data, style_traces] = event?.data ?? [{}];
    if (!event || "_doNotReportToPy" in (style_data ?? {})) return;
    const { layout: layout_data } = event;
    const update = { style_data, style_traces, layout_data, source_view_id: this.id };
    this.figure.tell("_js2py_update", update);
  }

  clicked(event) {
    if (event.target.closest?.(".rangeselector")) this.buttonAt = performance.now();
    const button = event.target.closest?.(".modebar-btn")?.dataset.val;
    if (!this.figure.series.size || !["reset", "auto"].includes(button)) return;
    event.stopPropagation();
    this.figure.follow(true);
  }

  hover(inside) {
    this.hovered = inside;
    if (inside) this.drawing.drawnAt = -Infinity;
    this.schedule();
  }

  /** While the mouse is down, a draw would take away what Plotly shows of the drag. */
  drag() {
    this.dragging = true;
    this.drop ??= () => {
      this.dragging = false;
      window.removeEventListener("pointerup", this.drop);
      this.schedule();
    };
    window.addEventListener("pointerup", this.drop);
  }

  pointed(name, event) {
    if (!event && name !== "deselect") return;
    const points = this.pointsOf(event?.points ?? []);
    const pressed = event?.event;
    const keys = ["alt", "ctrl", "meta", "shift"].map((key) => [key, pressed?.[`${key}Key`]]);
    const state = { ...Object.fromEntries(keys), button: pressed?.button, buttons: pressed?.buttons };
    this.figure.tell("_js2py_pointsCallback", {
      event_type: `plotly_${name}`,
      points,
      device_state: pressed ? state : null,
      selector: selectorOf(event),
    });
  }

  pointsOf(given) {
    const points = { trace_indexes: [], point_indexes: [], xs: [], ys: [] };
    for (const point of given) {
      for (const number of point.pointNumbers ?? [this.numberOf(point)]) {
        points.trace_indexes.push(point.curveNumber);
        points.point_indexes.push(number);
        points.xs.push(point.x);
        points.ys.push(point.y);
        if ("z" in point) (points.zs ??= []).push(point.z);
      }
    }
    return points;
  }

  /** The place of a point in Python's data: what is drawn of a window is only some of it. */
  numberOf({ curveNumber, pointNumber }) {
    const trace = this.plot.data[curveNumber];
    const series = this.figure.series.get(trace.uid);
    if (!series) return pointNumber;
    const x = trace.x[pointNumber];
    const [from, to] = series.between(x, x);
    const [name] = series.names;
    for (let position = from; position < to; position++) {
      const at = series.at(position);
      if (at.x === x && at[name] === trace[name][pointNumber]) return position - series.first;
    }
    return from - series.first;
  }
}

function selectorOf(event) {
  if (event?.range) return { type: "box", selector_state: event.range };
  if (event?.lassoPoints) return { type: "lasso", selector_state: event.lassoPoints };
  return null;
}

function watch(Observer, element, callback, options) {
  const observer = new Observer(callback);
  observer.observe(element, options);
  return () => observer.disconnect();
}
