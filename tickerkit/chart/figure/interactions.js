/**
 * Interactions: handles the user's actions on one plot, and reports them to Python.
 */

import { UNREPORTED } from "./plot_updates.js";
import { setPath } from "./values.js";

/** @import { View } from "./view.js" */

const POINT_EVENTS = ["click", "hover", "unhover", "selected", "deselect"];
const MODIFIERS = ["alt", "ctrl", "meta", "shift"];
/** A zoom within this time after a click on a range button is caused by the button. */
const BUTTON_ZOOMS_WITHIN_MS = 300;

/** Listens to one plot. */
export class Interactions {
  #view;
  #isHovered = false;
  #isDragging = false;
  #buttonAt = -Infinity; // when a range button was clicked last

  /** @param {View} view */
  constructor(view) {
    this.#view = view;
  }

  /** Whether the mouse is over the plot. */
  get isHovered() {
    return this.#isHovered;
  }

  /** Whether the mouse is down: a draw would remove Plotly's marks of the drag. */
  get isDragging() {
    return this.#isDragging;
  }

  /** Listen to Plotly's events; call it for each new plot, which drops all listeners. */
  listen() {
    const { plot } = this.#view;
    plot.on("plotly_restyle", (event) => this.#onRestyle(event));
    plot.on("plotly_relayout", (event) => this.#onRelayout(event));
    plot.on("plotly_update", (event) => this.#onUpdate(event));
    for (const name of POINT_EVENTS) {
      plot.on(`plotly_${name}`, (event) => this.#onPoints(name, event));
    }
  }

  /** Listen to the element's events. */
  start() {
    const { plot } = this.#view;
    plot.addEventListener("pointerenter", () => this.#onHover(true));
    plot.addEventListener("pointerleave", () => this.#onHover(false));
    plot.addEventListener("pointerdown", () => this.#onPress());
    plot.addEventListener("click", (event) => this.#onClick(event), true);
  }

  stop() {
    window.removeEventListener("pointerup", this.#onRelease);
  }

  /** @param {any} event */
  #onRestyle(event) {
    if (!event?.[0] || UNREPORTED in event[0]) return;
    const [style_data, style_traces] = event;
    const { figure, id } = this.#view;
    figure.setTrait("_js2py_restyle", { style_data, style_traces, source_view_id: id });
    this.#view.invalidate();
  }

  /** @param {any} event */
  #onRelayout(event) {
    if (!event || UNREPORTED in event || this.#handleLiveAxes(event)) return;
    const { figure, id } = this.#view;
    figure.setTrait("_js2py_relayout", { relayout_data: event, source_view_id: id });
  }

  /** @param {any} event */
  #onUpdate(event) {
    const [style_data, style_traces] = event?.data ?? [{}];
    if (!event || UNREPORTED in (style_data ?? {})) return;
    const { figure, id } = this.#view;
    const { layout: layout_data } = event;
    const message = { style_data, style_traces, layout_data, source_view_id: id };
    figure.setTrait("_js2py_update", message);
  }

  /**
   * Handle a zoom, pan or double click on live axes; return whether Python needs no report of it.
   *
   * @param {Record<string, any>} event values by path
   */
  #handleLiveAxes(event) {
    const { figure } = this.#view;
    const live = figure.liveAxes();
    const paths = Object.keys(event).filter((path) => live.has(path.split(".")[0]));
    if (!paths.length) return false;
    const zoomed = paths.filter((path) => /^xaxis\d*\.range(\[|$)/.test(path));
    const isOfButton = performance.now() - this.#buttonAt < BUTTON_ZOOMS_WITHIN_MS;
    if (isOfButton && zoomed.length) {
      this.#showLast(zoomed[0].split(".")[0]);
      return true;
    }
    if (paths.some((path) => /^xaxis\d*\.autorange/.test(path))) {
      figure.setFollowing(true);
      return true;
    }
    for (const path of paths) {
      setPath(figure.layout, path, event[path]);
      const autorange = `${path.split(".")[0]}.autorange`;
      setPath(figure.layout, autorange, /\.autorange/.test(path));
    }
    figure.updateSavedState();
    if (zoomed.length) figure.setFollowing(false);
    return false;
  }

  /**
   * Show the newest part of an axis, as wide as its range button has set, and follow.
   *
   * @param {string} key the axis' name in a layout
   */
  #showLast(key) {
    const view = this.#view;
    /** @type {{range: string[]}} */
    const { range } = view.plot._fullLayout[key];
    const [left, right] = range.map((end) => +new Date(`${end}Z`.replace(" ", "T")));
    view.figure.setFollowing(true);
    view.run(() => view.renderer.showLast(`x${key.slice(5)}`, right - left));
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const { figure } = this.#view;
    const target = /** @type {Element} */ (event.target);
    if (target.closest?.(".rangeselector")) this.#buttonAt = performance.now();
    const button = /** @type {HTMLElement | null} */ (target.closest?.(".modebar-btn"));
    if (!figure.points.size || !["reset", "auto"].includes(button?.dataset.val ?? "")) return;
    event.stopPropagation();
    figure.setFollowing(true);
  }

  /** @param {boolean} isInside */
  #onHover(isInside) {
    this.#isHovered = isInside;
    if (isInside) this.#view.invalidate();
    else this.#view.requestDraw();
  }

  #onPress() {
    this.#isDragging = true;
    this.#view.renderer.showPlotlys();
    window.addEventListener("pointerup", this.#onRelease);
  }

  #onRelease = () => {
    this.#isDragging = false;
    window.removeEventListener("pointerup", this.#onRelease);
    this.#view.requestDraw();
  };

  /**
   * @param {string} name
   * @param {any} event
   */
  #onPoints(name, event) {
    if (!event && name !== "deselect") return;
    const pressed = event?.event;
    const modifiers = MODIFIERS.map((key) => [key, pressed?.[`${key}Key`]]);
    const { button, buttons } = pressed ?? {};
    this.#view.figure.setTrait("_js2py_pointsCallback", {
      event_type: `plotly_${name}`,
      points: this.#describePoints(event?.points ?? []),
      device_state: pressed ? { ...Object.fromEntries(modifiers), button, buttons } : null,
      selector: describeSelector(event),
    });
  }

  /** @param {any[]} given Plotly's points */
  #describePoints(given) {
    /** @type {Record<string, any[]>} */
    const points = { trace_indexes: [], point_indexes: [], xs: [], ys: [] };
    for (const point of given) {
      for (const number of point.pointNumbers ?? [this.#pointIndex(point)]) {
        points.trace_indexes.push(point.curveNumber);
        points.point_indexes.push(number);
        points.xs.push(point.x);
        points.ys.push(point.y);
        if (!("z" in point)) continue;
        points.zs ??= [];
        points.zs.push(point.z);
      }
    }
    return points;
  }

  /**
   * Return the index of a point in Python's data, which has more points of a streamed trace; of a
   * cell of a heat map its row and its column.
   *
   * @param {{curveNumber: number, pointNumber: any}} point
   */
  #pointIndex({ curveNumber, pointNumber }) {
    const { plot, figure } = this.#view;
    const trace = plot.data[curveNumber];
    const series = figure.points.get(trace.uid);
    if (!series) return pointNumber;
    if (Array.isArray(pointNumber)) {
      const [row, column] = pointNumber;
      const [position] = series.between(trace.x[column], trace.x[column]);
      return [row, position - series.first];
    }
    const x = trace.x[pointNumber];
    const [from, to] = series.between(x, x);
    const [name] = series.names;
    for (let position = from; position < to; position++) {
      const point = series.at(position);
      if (point && point.x === x && point[name] === trace[name][pointNumber]) {
        return position - series.first;
      }
    }
    return from - series.first;
  }
}

/** @param {any} event */
function describeSelector(event) {
  if (event?.range) return { type: "box", selector_state: event.range };
  if (event?.lassoPoints) return { type: "lasso", selector_state: event.lassoPoints };
  return null;
}
