// The page side of a LiveFigure: its state, the same for all views, and the way to the kernel.

import { Series } from "./series.js";
import { APPLY, decode, difference, encode, indicesOf, numbers, pack, setPath } from "./figure_messages.js";
import { isFixed } from "./axes.js";
import { View } from "./view.js";

const STATE = ["_widget_data", "_widget_layout", "_places", "_live"];
const HERE_EVERY_MS = 20_000;
const ASK_EVERY_MS = 250;
const ASK_AGAIN_MS = 1000;
const SAVED_POINTS = 4000;

/** One LiveFigure of a kernel. */
class Figure {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.heldAt = null;
    this.changes = 0;
    this.page = Math.random().toString(36).slice(2); // another one after a reload
    this.lacking = new Set(); // uids of traces of which points have been missed
    this.load();
    for (const name of STATE) {
      model.on(`change:${name}`, () => this.reload());
    }
    for (const kind of Object.keys(APPLY)) {
      model.on(`change:_py2js_${kind}`, () => this.apply(kind, model.get(`_py2js_${kind}`)));
    }
    if (!this.following) this.turn(false);
    model.on("change:_follow", () => this.turn(model.get("_follow")));
    model.on("msg:custom", (content, buffers) => this.receive(content, buffers));
  }

  get live() {
    return this.model.get("_live") ?? {};
  }

  /** The theme to draw in; null once the user has set a template. */
  get theme() {
    return this.ownTemplate ? null : this.live.theme;
  }

  get following() {
    return this.model.get("_follow") !== false;
  }

  /** How many points have come, in all. */
  get count() {
    let count = 0;
    for (const series of this.series.values()) count += series.next;
    return count;
  }

  /** Take data, layout and the pictures of the windows from the model's state. */
  load() {
    this.data = decode(this.model.get("_widget_data") ?? []);
    this.layout = decode(this.model.get("_widget_layout") ?? {});
    // plotly itself sends its default template at first; the state says whether it is the user's.
    this.ownTemplate = false;
    this.series = new Map();
    for (const [uid, place] of Object.entries(this.model.get("_places") ?? {})) {
      const trace = this.data.find((each) => each.uid === uid);
      if (!trace || !place.names) continue;
      const series = new Series(place.names);
      const columns = Object.fromEntries(
        ["x", ...place.names].map((name) => [name, Float64Array.from(trace[name] ?? [])]),
      );
      series.reset(place.epoch, place.next - columns.x.length);
      series.write(series.first, columns);
      series.coarse = !place.whole;
      this.series.set(uid, series);
    }
    this.keepSaved();
  }

  /** Load once for all the parts of a state that come together. */
  reload() {
    if (this.loading) return;
    this.loading = true;
    queueMicrotask(() => {
      this.loading = false;
      this.load();
      for (const view of this.views) view.restart();
      if (this.views.size) this.ask();
    });
  }

  /** Have the model's state, which is saved with the notebook, be as the figure is when saved. */
  keepSaved() {
    const saved = this.model.get("_widget_data");
    if (!Array.isArray(saved)) return;
    saved.length = 0;
    for (const trace of this.data) {
      const series = this.series.get(trace.uid);
      const streamed = series ? ["x", ...series.names] : [];
      const entry = {};
      for (const [name, value] of Object.entries(trace)) {
        if (!streamed.includes(name)) entry[name] = encode(value);
      }
      for (const name of streamed) {
        // As a getter: at no cost while points come, and right when it is read.
        const get = () => pack(series.thin(SAVED_POINTS)[name]);
        Object.defineProperty(entry, name, { enumerable: true, configurable: true, get });
      }
      saved.push(entry);
    }
    const layout = this.model.get("_widget_layout");
    for (const key of Object.keys(layout)) delete layout[key];
    Object.assign(layout, encode(this.layout));
  }

  // --- from Python --------------------------------------------------------------------------

  /** Take one of plotly's messages: into data and layout, then into each view. */
  async apply(kind, raw) {
    if (!raw) return;
    const message = decode(raw);
    const replaced = this.dropReplaced(kind, message);
    APPLY[kind](this, message);
    this.notice(kind, message);
    this.keepSaved();
    this.changes++;
    // What Plotly holds of a streamed trace is a part of it, and its name bears a value.
    if (replaced) for (const view of this.views) view.restart();
    if (kind === "removeLayoutProps" || kind === "removeTraceProps") return;
    const done = [...this.views].map((view) => view.apply(kind, message));
    await Promise.all(done);
    this.report(message);
  }

  /** Notice what Python says about the template and about what live axes show. */
  notice(kind, message) {
    const changes = { relayout: message.relayout_data, update: message.layout_data }[kind] ?? {};
    const paths = Object.keys(changes);
    if (message.source_view_id) return;
    if (paths.some((path) => path.startsWith("template"))) this.ownTemplate = true;
    const live = this.liveAxes();
    const names = paths.map((path) => path.split(".")[0]);
    const fixed = names.some((key) => key.startsWith("x") && live.has(key) && isFixed(this.layout[key]));
    if (fixed && paths.some((path) => path.includes("range") || changes[path]?.range)) this.follow(false);
  }

  /** Let go of the series of traces that are gone, or whose data were set the plain way. */
  dropReplaced(kind, message) {
    const gone = new Set(kind === "deleteTraces" ? message.delete_inds : []);
    const styles = kind === "animate"
      ? message.style_data.map((style, turn) => [style, [indicesOf(message.style_traces, this.data)[turn]]])
      : [[message.restyle_data ?? message.style_data, indicesOf(message.restyle_traces ?? message.style_traces, this.data)]];
    for (const [style, indices] of styles) {
      for (const [path, value] of Object.entries(style ?? {})) {
        if (!this.isData(path)) continue;
        const values = Array.isArray(value) ? value : [value];
        for (const [turn, index] of indices.entries()) {
          if (values[turn % values.length] !== undefined) gone.add(index);
        }
      }
    }
    let dropped = false;
    for (const index of gone) dropped = this.series.delete(this.data[index]?.uid) || dropped;
    return dropped && kind !== "deleteTraces";
  }

  isData(path) {
    return ["x", "y", "open", "high", "low", "close"].includes(path.split(/[.[]/)[0]);
  }

  /** Take points that were appended; ask where some are missing. */
  receive(content, buffers) {
    if (content.kind === "freeze") return void [...this.views][0]?.picture();
    if (content.kind !== "points") return;
    let turn = 0;
    let fresh = false;
    for (const { uid, epoch, start, first, names } of content.traces) {
      let series = this.series.get(uid);
      const columnNames = names ?? series?.names ?? ["y"];
      const columns = {};
      for (const name of ["x", ...columnNames]) columns[name] = numbers(buffers[turn++]);
      const whole = start === first;
      if (whole && (series?.epoch !== epoch || series.coarse || start > series.next)) {
        series = new Series(names);
        series.reset(epoch, start);
        fresh ||= !this.series.has(uid);
        this.series.set(uid, series);
      } else if (!series || series.epoch !== epoch || start > series.next || start < series.first) {
        this.lacking.add(uid);
        continue;
      }
      this.lacking.delete(uid);
      series.write(start, columns);
      // While the chart holds still, what it shows stays, up to another window's worth.
      const spare = this.following ? 0 : series.next - first;
      if (!series.coarse) series.trim(first - spare);
    }
    if (fresh) this.keepSaved();
    if (content.traces.some(({ uid }) => this.lacking.has(uid))) this.ask();
    for (const view of this.views) view.schedule();
  }

  // --- to Python ----------------------------------------------------------------------------

  /** Whether points of the windows are known to be missing here. */
  get lacksPoints() {
    return this.data.some(({ uid }) => this.lacking.has(uid) || this.series.get(uid)?.coarse);
  }

  send(content, buffers) {
    this.model.send(content, undefined, buffers);
  }

  /** Say that a view is there, and from where on each trace's points are wanted. */
  ask() {
    const now = performance.now();
    const wait = ASK_EVERY_MS - (now - (this.askedAt ?? -Infinity));
    clearTimeout(this.asking);
    if (wait > 0) {
      this.asking = setTimeout(() => this.ask(), wait);
      return;
    }
    this.askedAt = now;
    // Neither the question nor its answer is sure to arrive.
    this.asking = setTimeout(() => this.lacksPoints && this.views.size && this.ask(), ASK_AGAIN_MS);
    const from = {};
    for (const trace of this.data) {
      const series = this.series.get(trace.uid);
      from[trace.uid] = series && !series.coarse ? [series.epoch, series.next] : [null, -1];
    }
    this.send({ kind: "here", page: this.page, from });
  }

  /** Set a trait; Python hears of it. */
  tell(name, value) {
    this.model.set(name, encode(value));
    this.model.save_changes();
  }

  /** Tell Python what Plotly has filled in, after a change of its own; once for all views. */
  report(message) {
    const view = [...this.views].find((each) => each.plot?._fullData);
    if (!view) return;
    if (message.trace_edit_id !== undefined) {
      const deltas = this.data.map((known, index) => {
        const full = view.plot._fullData.find((each) => each.index === index);
        const series = this.series.get(known.uid);
        const delta = difference(full, view.plot.data[index], known);
        for (const name of series ? ["x", ...series.names, "name", "hovertemplate"] : []) {
          delete delta[name];
        }
        if (known.name !== undefined) delete delta.name;
        return { ...delta, uid: known.uid };
      });
      this.tell("_js2py_traceDeltas", { trace_deltas: deltas, trace_edit_id: message.trace_edit_id });
    }
    if (message.layout_edit_id !== undefined) {
      // Empty: plotly's own is lost on the way. It ends the edit, so that on_edits_completed calls.
      this.tell("_js2py_layoutDelta", { layout_delta: {}, layout_edit_id: message.layout_edit_id });
    }
  }

  // --- follow and hold ----------------------------------------------------------------------

  /** The axes, by their names in a layout, on which points are streamed. */
  liveAxes() {
    const axes = new Set();
    for (const trace of this.data) {
      if (!this.series.has(trace.uid)) continue;
      axes.add(`xaxis${(trace.xaxis ?? "x").slice(1)}`).add(`yaxis${(trace.yaxis ?? "y").slice(1)}`);
    }
    return axes;
  }

  /** Hold still, or follow; from Python, a zoom or the chip. */
  turn(following) {
    this.heldAt = following ? null : (this.heldAt ?? { count: this.count, time: new Date() });
    if (following) this.release();
    for (const view of this.views) view.turned(following);
  }

  /** Let go of the ranges that a user's zoom has set, here and in Python. */
  release() {
    const changes = {};
    for (const key of this.liveAxes()) {
      if (!this.layout[key]?.range) continue;
      // Not "autorange: true", which would outlive a range that Python sets later.
      for (const name of ["range", "autorange"]) {
        changes[`${key}.${name}`] = null;
        setPath(this.layout, `${key}.${name}`, null);
      }
    }
    if (!Object.keys(changes).length) return;
    this.keepSaved();
    this.tell("_js2py_relayout", { relayout_data: changes, source_view_id: "all" });
  }

  /** Hold or follow, as a user in the page wishes. */
  follow(following) {
    if (this.following === following) return void this.turn(following);
    this.tell("_follow", following);
  }

  // --- views --------------------------------------------------------------------------------

  add(view) {
    this.views.add(view);
    this.beat ??= setInterval(() => this.isSeen && this.send({ kind: "here", page: this.page }), HERE_EVERY_MS);
    this.onShow ??= () => this.isSeen && this.ask();
    document.addEventListener("visibilitychange", this.onShow);
    this.ask();
  }

  get isSeen() {
    return document.visibilityState === "visible" && this.views.size > 0;
  }

  remove(view) {
    this.views.delete(view);
    if (this.views.size) return;
    clearInterval(this.beat);
    this.beat = undefined;
    document.removeEventListener("visibilitychange", this.onShow);
  }
}

export default () => {
  let figure;
  return {
    // At once, and without Plotly: later messages of a model that takes long to begin are dropped.
    initialize({ model }) {
      figure = new Figure(model);
    },
    render({ el }) {
      const view = new View(figure, el);
      figure.add(view);
      return () => {
        figure.remove(view);
        view.remove();
      };
    },
  };
};
