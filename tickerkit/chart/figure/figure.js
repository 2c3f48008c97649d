/**
 * Figure: the page's side of a LiveFigure. It holds the state that all views share, and exchanges
 * messages with the kernel.
 */

import { KERNEL_IS_GONE, KernelLink } from "../../runtime/page_parts/kernel_link.js";
import { isFixed } from "./axes.js";
import { APPLY, findDifference, findReplacedTraces } from "./figure_messages.js";
import { Points } from "./points.js";
import { Pull } from "./pull.js";
import { writeSavedState } from "./saved_state.js";
import { isLine } from "./trace_types.js";
import { decode, encode, setPath } from "./values.js";
import { View } from "./view.js";
import { isColored } from "./volume_colors.js";

/** @import { FigureNote, KernelMessage, LiveSettings, PageMessage } from "../messages.d.ts" */
/** @import { Layout, Model, Trace } from "./types.d.ts" */

/** The traits that hold the figure's state. */
const STATE = ["_widget_data", "_widget_layout", "_places", "_live"];
/** How long frames are counted after a message. */
const COUNT_FOR_MS = 100;
/** How often the page reports that it shows the figure; the kernel waits three times as long. */
const HERE_EVERY_MS = 20_000;

/**
 * A pause: how many points there were at its start, and the time of day to show for it.
 *
 * @typedef {{count: number, clock?: string}} Pause
 */

/** One LiveFigure of a kernel. */
export class Figure {
  /** @type {Trace[]} */
  data = [];
  /** @type {Layout} */
  layout = {};
  /** How many of plotly's messages have been applied. */
  version = 0;
  /** @type {Pause | null} */
  heldAt = null; // null while the figure follows the newest points

  /** @type {Set<View>} */
  #views = new Set();
  #hasOwnTemplate = false; // the user has set a template
  #isLoading = false;
  #counting = 0; // the pending animation frame that is counted, 0 without one
  #countUntil = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #heartbeat;
  #kernel;
  /** @type {Pull | null} */
  #pull = null; // where the kernel can't send points by itself

  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.#kernel = new KernelLink(model, () => this.#showNotes());
    this.points = new Points({
      uids: () => this.data.map(({ uid }) => uid),
      isLine: (uid) => isLine(this.data.find((each) => each.uid === uid)),
      isShown: () => this.#views.size > 0,
      send: (message) => this.send(message),
    });
    this.#load();
    for (const name of STATE) {
      model.on(`change:${name}`, () => this.#reload());
    }
    for (const kind of Object.keys(APPLY)) {
      model.on(`change:_py2js_${kind}`, () => this.#apply(kind, model.get(`_py2js_${kind}`)));
    }
    if (!this.isFollowing) this.#onFollow(false);
    model.on("change:_follow", () => this.#onFollow(model.get("_follow")));
    model.on("change:_note", () => this.#showNotes());
    model.on("msg:custom", (content, buffers) => this.#receive(content, buffers));
    // marimo makes the model when Python makes the figure, and calls this when it shows the figure:
    // what came meanwhile is lost. JupyterLab keeps it until this has run.
    const { host, key } = this.live;
    if (host === "marimo") this.send({ kind: "state" });
    if (host === "colab") this.#pull = this.#makePull(key ?? "");
  }

  /** @param {string} key */
  #makePull(key) {
    return new Pull({
      key,
      report: () => this.points.report(),
      receive: (content, buffers) => this.#receive(content, buffers),
      askState: () => this.send({ kind: "state" }),
    });
  }

  /** The kernel's settings, in addition to data and layout.
   *  @returns {Partial<LiveSettings>} */
  get live() {
    return this.model.get("_live") ?? {};
  }

  /** What the figure says about itself.
   *  @returns {Partial<FigureNote>} */
  get note() {
    if (this.#kernel.isLost) return { kind: "lost", text: KERNEL_IS_GONE };
    return this.model.get("_note") ?? {};
  }

  #showNotes() {
    for (const view of this.#views) view.showNote();
  }

  /** How many seconds the x axis shows at most; null for all points. @returns {number | null} */
  get span() {
    return this.model.get("_span") ?? null;
  }

  /** Whether no trace has points. */
  get isEmpty() {
    return (
      this.points.count === 0 &&
      !this.data.some(({ uid, x, y }) => !this.points.get(uid) && (x?.length || y?.length))
    );
  }

  /** The theme to draw in; null once the user has set a template. */
  get theme() {
    return this.#hasOwnTemplate ? null : this.live.theme;
  }

  /** Whether the chart moves with the newest points. */
  get isFollowing() {
    return this.model.get("_follow") !== false;
  }

  /** Load data, layout and the thinned windows from the model's state. */
  #load() {
    this.data = decode(this.model.get("_widget_data") ?? []);
    this.layout = decode(this.model.get("_widget_layout") ?? {});
    // The layout always has a template, at first plotly's default; `live.theme` is null if the user
    // has set one.
    this.#hasOwnTemplate = false;
    this.points.load(this.model.get("_places") ?? {}, this.data);
    this.updateSavedState();
  }

  /** Load the state again; once if several of its traits change together. */
  #reload() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    queueMicrotask(() => {
      this.#isLoading = false;
      this.#load();
      for (const view of this.#views) view.restart();
      if (this.#views.size) this.points.ask();
    });
  }

  /** Update the state that is saved with the notebook. */
  updateSavedState() {
    writeSavedState(this.model, this.data, this.layout, this.points);
  }

  // ---- from Python

  /**
   * Apply one of plotly's messages: to data and layout, then to each view.
   *
   * @param {string} kind
   * @param {any} raw
   */
  async #apply(kind, raw) {
    if (!raw) return;
    const message = decode(raw);
    let hasDropped = false;
    for (const index of findReplacedTraces(kind, message, this.data)) {
      hasDropped = this.points.drop(this.data[index]?.uid) || hasDropped;
    }
    APPLY[kind](this, this.#dropEcho(kind, message));
    this.#noteSettings(kind, message);
    this.updateSavedState();
    this.version++;
    // Of a streamed trace Plotly has only some points, and a name that contains the newest value.
    // When the trace is no longer streamed, Plotly needs the trace's own points and name.
    if (hasDropped && kind !== "deleteTraces") for (const view of this.#views) view.restart();
    if (kind === "removeLayoutProps" || kind === "removeTraceProps") return;
    await Promise.all([...this.#views].map((view) => view.apply(kind, message)));
    this.report(message);
  }

  /**
   * Return a message without the ranges of live axes if Python only repeats what this page sent:
   * the page has them already, and after several zooms in a row may have newer ones.
   *
   * @param {string} kind
   * @param {any} message
   */
  #dropEcho(kind, message) {
    const source = message.source_view_id;
    const isOwn = source === "all" || [...this.#views].some(({ id }) => id === source);
    if (kind !== "relayout" || !isOwn) return message;
    const live = this.liveAxes();
    const entries = Object.entries(message.relayout_data ?? {});
    const others = entries.filter(([path]) => !live.has(path.split(".")[0]));
    return { ...message, relayout_data: Object.fromEntries(others) };
  }

  /**
   * Note a template that Python sets; hold the chart still if Python sets the range of a live axis.
   *
   * @param {string} kind
   * @param {any} message
   */
  #noteSettings(kind, message) {
    if (message.source_view_id || (kind !== "relayout" && kind !== "update")) return;
    const changes = (kind === "relayout" ? message.relayout_data : message.layout_data) ?? {};
    const paths = Object.keys(changes);
    if (paths.some((path) => path.startsWith("template"))) this.#hasOwnTemplate = true;
    const live = this.liveAxes();
    const setsRange = paths.some((path) => path.includes("range") || changes[path]?.range);
    const isAnyFixed = paths
      .map((path) => path.split(".")[0])
      .some((key) => key.startsWith("x") && live.has(key) && isFixed(this.layout[key]));
    if (isAnyFixed && setsRange) this.setFollowing(false);
  }

  /**
   * @param {KernelMessage} message
   * @param {ArrayBufferView[]} buffers
   */
  #receive(message, buffers) {
    if (message.kind === "freeze") {
      this.points.showAll();
      const [view] = this.#views;
      view?.sendPicture();
    } else if (message.kind === "points") {
      const isSmooth = this.live.smooth !== false && document.visibilityState === "visible";
      const hasNew = this.points.receive(message, buffers, this.isFollowing, isSmooth);
      if (hasNew) this.updateSavedState();
      if (isSmooth) this.#countFrames();
      this.points.askForMissed(message);
      for (const view of this.#views) view.requestDraw();
    }
  }

  /** Count the frames of the page until no message has come for a while. */
  #countFrames() {
    this.#countUntil = performance.now() + COUNT_FOR_MS;
    if (this.#counting) return;
    const count = () => {
      this.points.countFrame();
      const goesOn = performance.now() < this.#countUntil;
      this.#counting = goesOn ? requestAnimationFrame(count) : 0;
    };
    this.#counting = requestAnimationFrame(count);
  }

  // ---- to Python

  /**
   * @param {PageMessage} message
   * @param {ArrayBuffer[]} [buffers]
   */
  send(message, buffers) {
    this.#kernel.send(message, buffers);
  }

  /**
   * Set a trait, here and in the kernel.
   *
   * @param {string} name
   * @param {unknown} value
   */
  setTrait(name, value) {
    this.model.set(name, encode(value));
    this.model.save_changes();
  }

  /**
   * After a change by Python, report the values that Plotly has filled in; once for all views.
   *
   * @param {{trace_edit_id?: number, layout_edit_id?: number}} message
   */
  report({ trace_edit_id, layout_edit_id }) {
    const view = [...this.#views].find((each) => each.plot._fullData);
    if (!view) return;
    if (trace_edit_id !== undefined) {
      const trace_deltas = this.data.map((trace, index) => this.#traceDelta(view, trace, index));
      this.setTrait("_js2py_traceDeltas", { trace_deltas, trace_edit_id });
    }
    if (layout_edit_id !== undefined) {
      // The delta is empty, because plotly's own report does not arrive either. The message ends
      // the edit: Python then calls the callbacks passed to `on_edits_completed`.
      this.setTrait("_js2py_layoutDelta", { layout_delta: {}, layout_edit_id });
    }
  }

  /**
   * @param {View} view
   * @param {Trace} trace
   * @param {number} index
   */
  #traceDelta({ plot }, trace, index) {
    const series = this.points.get(trace.uid);
    const full = plot._fullData.find((each) => each.index === index);
    const delta = findDifference(full, plot.data[index], trace);
    for (const name of series ? ["x", ...series.names, "name", "hovertemplate", "type"] : []) {
      delete delta[name];
    }
    if (trace.name !== undefined) delete delta.name;
    if (isColored(plot.data[index])) delete delta.marker;
    return { ...delta, uid: trace.uid };
  }

  // ---- follow and hold

  /** Return the axes on which points are streamed, by their names in a layout. */
  liveAxes() {
    /** @type {Set<string>} */
    const axes = new Set();
    for (const { uid, xaxis = "x", yaxis = "y" } of this.data) {
      if (!this.points.get(uid)) continue;
      axes.add(`xaxis${xaxis.slice(1)}`).add(`yaxis${yaxis.slice(1)}`);
    }
    return axes;
  }

  /**
   * Follow or hold still, because the user has zoomed, double clicked, or pressed a button.
   *
   * @param {boolean} isFollowing
   */
  setFollowing(isFollowing) {
    if (this.isFollowing === isFollowing) this.#onFollow(isFollowing);
    else this.setTrait("_follow", isFollowing);
  }

  /**
   * Apply a change of `_follow`, whether Python or this page has set it.
   *
   * @param {boolean} isFollowing
   */
  #onFollow(isFollowing) {
    if (!isFollowing) this.points.showAll();
    this.heldAt = isFollowing ? null : (this.heldAt ?? { count: this.points.count });
    if (isFollowing) this.#clearRanges();
    for (const view of this.#views) view.onFollow(isFollowing);
  }

  /** Remove the ranges that a user's zoom has set, here and in Python. */
  #clearRanges() {
    /** @type {Record<string, null>} */
    const changes = {};
    for (const key of this.liveAxes()) {
      if (!this.layout[key]?.range) continue;
      // Not "autorange: true", which would outlive a range that Python sets later.
      for (const path of [`${key}.range`, `${key}.autorange`]) {
        changes[path] = null;
        setPath(this.layout, path, null);
      }
    }
    if (!Object.keys(changes).length) return;
    this.updateSavedState();
    this.setTrait("_js2py_relayout", { relayout_data: changes, source_view_id: "all" });
  }

  // ---- views

  /** @param {View} view */
  add(view) {
    this.#views.add(view);
    this.#heartbeat ??= setInterval(() => this.#beat(), HERE_EVERY_MS);
    document.addEventListener("visibilitychange", this.#onPageShown);
    this.points.ask();
    this.#pull?.start();
  }

  /** @param {View} view */
  remove(view) {
    this.#views.delete(view);
    if (this.#views.size) return;
    this.#pull?.stop();
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    document.removeEventListener("visibilitychange", this.#onPageShown);
  }

  get #isSeen() {
    return document.visibilityState === "visible" && this.#views.size > 0;
  }

  #beat() {
    if (this.#isSeen) this.send({ kind: "here", page: this.points.page });
  }

  #onPageShown = () => {
    if (this.#isSeen) this.points.ask();
  };
}

export default () => {
  /** @type {Figure} */
  let figure;
  return {
    // At once, without waiting for Plotly: messages to a model that is not ready are dropped.
    /** @param {{model: Model}} props */
    initialize({ model }) {
      figure = new Figure(model);
    },
    /** @param {{el: HTMLElement}} props */
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
