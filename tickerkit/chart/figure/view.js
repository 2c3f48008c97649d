/**
 * View: one place in a page where a figure is shown.
 */

import { formatTimeOfDay } from "./axes.js";
import { Crosshair } from "./crosshair.js";
import { DrawLoop } from "./draw_loop.js";
import { Interactions } from "./interactions.js";
import { Overlay } from "./overlay.js";
import { Backlog, nameReplaced, UNREPORTED, UPDATE_PLOT } from "./plot_updates.js";
import { loadPlotly } from "./plotly_loader.js";
import { Renderer } from "./renderer.js";
import { applyTheme, isDark } from "./theme.js";
import { copy } from "./values.js";

/** @import { Figure } from "./figure.js" */
/** @import { Plot, Plotly } from "./types.d.ts" */

/** The height of a figure whose layout sets none. */
const HEIGHT_PX = 360;

/** A figure in one output of one page. */
export class View {
  id = Math.random().toString(36).slice(2);
  plot = /** @type {Plot} */ (/** @type {HTMLElement} */ (document.createElement("div")));

  #box;
  /** @type {Plotly | null} */
  #plotly = null; // until it is loaded
  #interactions;
  #loop;
  /** Resolves when all actions so far are done. @type {Promise<unknown>} */
  #queue;

  #backlog = new Backlog();
  #version = 0; // the figure's `version` when the plot was made
  #isDark = false;
  #isVisible = true; // it is scrolled into view
  #isFitting = false; // a change of its size is queued
  #isRemoved = false;
  /** @type {(() => void)[]} */
  #stopWatching = [];

  /**
   * @param {Figure} figure
   * @param {HTMLElement} box
   */
  constructor(figure, box) {
    this.figure = figure;
    this.#box = box;
    // The final height, so that the page does not jump when the plot is drawn.
    this.plot.style.minHeight = `${figure.layout.height ?? HEIGHT_PX}px`;
    box.classList.add("tickerkit-figure");
    this.overlay = new Overlay(box, () => figure.setFollowing(true));
    new Crosshair(box, this.plot);
    box.prepend(this.plot);
    this.renderer = new Renderer(this);
    this.#interactions = new Interactions(this);
    this.#loop = new DrawLoop({
      run: (draw) => this.run(draw),
      isAllowed: () => this.#isVisible && !this.#interactions.isDragging,
      draw: async () => {
        // The time at which the frame began: it is more even than the time of this call.
        figure.points.advance(Number(document.timeline.currentTime ?? performance.now()));
        this.#showButton();
        if (figure.note.text) this.showNote();
        return (await this.renderer.draw()) && !figure.points.isHolding;
      },
    });
    this.#queue = this.#start().catch((error) => this.#fail(error));
  }

  /** The plotly.js of the page; read it only after it is loaded. */
  get Plotly() {
    return /** @type {Plotly} */ (this.#plotly);
  }

  get isHovered() {
    return this.#interactions.isHovered;
  }

  /** @param {Error} error */
  #fail(error) {
    if (this.#isRemoved) return;
    console.error(error);
    this.plot.textContent = `The chart can't be drawn: ${error.message}`;
  }

  async #start() {
    const { figure } = this;
    this.#plotly = await loadPlotly(figure.model);
    if (this.#isRemoved) return;
    await this.#newPlot();
    this.plot.style.minHeight = "";
    this.#interactions.start();
    this.#stopWatching = [
      watch(ResizeObserver, this.#box, () => this.#onResize()),
      watch(IntersectionObserver, this.#box, (entries) => this.#onScroll(entries)),
      watch(MutationObserver, document.body, () => this.#onPageTheme(), { attributes: true }),
    ];
    figure.report({
      trace_edit_id: figure.model.get("_last_trace_edit_id"),
      layout_edit_id: figure.model.get("_last_layout_edit_id"),
    });
    if (!figure.isFollowing) this.onFollow(false);
    this.showNote();
    this.requestDraw();
  }

  async #newPlot() {
    const { figure, plot } = this;
    this.#version = figure.version;
    const layout = copy(figure.layout);
    layout.height ??= HEIGHT_PX;
    this.#isDark = isDark();
    layout.template = applyTheme(layout.template, figure.theme, this.#isDark);
    const config = { ...copy(figure.model.get("_config")), editSelection: false };
    // A double click makes the chart follow. Plotly's default would first show an earlier range.
    if (figure.points.size) config.doubleClick ??= "autosize";
    this.renderer.reset();
    await this.Plotly.newPlot(plot, figure.data.map(copy), layout, config);
    this.#interactions.listen();
    await this.renderer.drawFull();
  }

  /** Make a new plot of the figure's current state. */
  restart() {
    this.run(() => this.#newPlot());
  }

  /**
   * Run an action after all earlier ones, unless the view is removed by then.
   *
   * @param {() => unknown} action
   */
  run(action) {
    this.#queue = this.#queue
      .then(() => (this.#isRemoved || !this.#plotly ? null : action()))
      .catch((error) => this.#isRemoved || console.error(error));
    return this.#queue;
  }

  remove() {
    this.#isRemoved = true;
    for (const stop of this.#stopWatching) stop();
    this.#loop.stop();
    this.#interactions.stop();
    if (this.#plotly && this.plot._fullLayout) this.#plotly.purge(this.plot);
    this.#box.replaceChildren();
  }

  // ---- drawing

  /** Draw with the next frame, however many points come until then. */
  requestDraw() {
    this.#loop.request();
  }

  /** Have Plotly draw with the next frame, however recent its last draw is. */
  invalidate() {
    this.renderer.invalidate();
    this.requestDraw();
  }

  #showButton() {
    const { heldAt, isFollowing, points } = this.figure;
    if (isFollowing || !heldAt) {
      this.overlay.hideButton();
      return;
    }
    const top = this.plot._fullLayout._size.t;
    this.overlay.showButton(heldAt.clock ?? "", points.count - heldAt.count, top);
  }

  /** Show the figure's note, or none. */
  showNote() {
    const bottom = this.plot._fullLayout?._size?.b ?? 0;
    this.overlay.showNote(this.figure.note, this.figure.isEmpty, bottom);
  }

  /**
   * From now on, follow the newest points, or hold still.
   *
   * @param {boolean} isFollowing
   */
  onFollow(isFollowing) {
    const { figure, plot } = this;
    if (isFollowing) {
      this.renderer.reset();
      for (const key of figure.liveAxes()) {
        if (plot.layout?.[key]) plot.layout[key].autorange = true;
      }
    } else if (figure.heldAt) {
      figure.heldAt.clock ??= this.#newestTime();
    }
    this.invalidate();
  }

  /** Return the time of day of the newest point of the first stream; if it has no times, now. */
  #newestTime() {
    const [stream] = this.#plotly ? this.renderer.streams() : [];
    const hasDates = stream && this.renderer.axes.drawn(stream.x).type === "date";
    const newest = hasDates && stream.series.last()?.x;
    return newest ? formatTimeOfDay(newest) : new Date().toTimeString().slice(0, 8);
  }

  // ---- changes of the page around it

  #onResize() {
    const { plot } = this;
    this.overlay.noteResize();
    if (!plot._fullLayout || !this.#box.offsetParent) return;
    const { width, height } = this.figure.layout;
    if (width && height) return;
    if (!height) this.run(() => this.#box.offsetParent && this.Plotly.Plots.resize(plot));
    else this.#fitWidth();
    this.invalidate();
  }

  /** Fit the width alone: Plots.resize would drop a given height, and may set none at all. */
  #fitWidth() {
    if (this.#isFitting) return;
    this.#isFitting = true;
    this.run(() => {
      this.#isFitting = false;
      return this.#box.offsetParent && this.Plotly.relayout(this.plot, { autosize: true });
    });
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onScroll(entries) {
    this.#isVisible = Boolean(entries.at(-1)?.isIntersecting);
    if (this.#isVisible) this.requestDraw();
  }

  #onPageTheme() {
    if (this.#isDark === isDark()) return;
    this.#isDark = isDark();
    const { layout, theme } = this.figure;
    const template = applyTheme(copy(layout.template), theme, this.#isDark);
    this.run(() => this.Plotly.relayout(this.plot, { template, [UNREPORTED]: true }));
  }

  // ---- from Python

  /**
   * Apply one of plotly's messages; resolves when Plotly has drawn it.
   *
   * @param {string} kind
   * @param {any} message
   */
  async apply(kind, message) {
    const { version } = this.figure;
    if (message.source_view_id === "all" || message.source_view_id === this.id) return;
    const replaced = nameReplaced(kind, message, this.figure.data);
    this.#backlog.add(replaced, version);
    await this.run(async () => {
      // A plot made after this message already has the change.
      if (!(await this.#backlog.take(replaced, version)) || version <= this.#version) return;
      const startedAt = performance.now();
      await UPDATE_PLOT[kind](this, message);
      this.#backlog.noteDraw(startedAt, performance.now());
      // Without streams, Plotly has drawn all there is.
      if (this.figure.points.size || kind !== "restyle") this.invalidate();
    });
  }

  /** Send a picture of the plot to the kernel, which replaces the figure by the picture. */
  async sendPicture() {
    await this.run(() => this.renderer.drawFull()); // also the cells of heat maps
    const { width, height } = this.plot._fullLayout;
    const options = { format: "png", width, height, scale: 2 };
    const url = await this.Plotly.toImage(this.plot, options);
    const { buffer } = Uint8Array.from(atob(url.split(",")[1]), (each) => each.charCodeAt(0));
    this.figure.send({ kind: "picture", width, height }, [buffer]);
  }
}

/**
 * Watch an element; return a function that stops watching.
 *
 * @param {typeof ResizeObserver | typeof IntersectionObserver | typeof MutationObserver} Observer
 * @param {HTMLElement} element
 * @param {(entries: any[]) => void} callback
 * @param {object} [options]
 */
function watch(Observer, element, callback, options) {
  const observer = /** @type {MutationObserver} */ (new Observer(callback));
  observer.observe(element, options);
  return () => observer.disconnect();
}
