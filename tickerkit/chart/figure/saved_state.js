/**
 * Saved state: updates the state of a model, which is saved with the notebook.
 */

import { chooseColumns, flattenRows } from "./heat_columns.js";
import { encode, pack } from "./values.js";

/** @import { Points } from "./points.js" */
/** @import { Series } from "./series.js" */
/** @import { Layout, Model, Trace } from "./types.d.ts" */

/** How many points of a trace are saved with a notebook. */
const SAVED_POINTS = 4000;
/** How many values of a heat map are saved; 4 bytes each. */
const SAVED_CELLS = 250_000;

/**
 * Write data and layout into the state, in place: a new value would be sent to the kernel.
 *
 * @param {Model} model
 * @param {Trace[]} data
 * @param {Layout} layout
 * @param {Points} points
 */
export function writeSavedState(model, data, layout, points) {
  const saved = model.get("_widget_data");
  if (!Array.isArray(saved)) return;
  saved.length = 0;
  for (const trace of data) saved.push(saveTrace(trace, points));
  const savedLayout = model.get("_widget_layout");
  for (const key of Object.keys(savedLayout)) delete savedLayout[key];
  Object.assign(savedLayout, encode(layout));
}

/**
 * @param {Trace} trace
 * @param {Points} points
 */
function saveTrace(trace, points) {
  const series = points.get(trace.uid);
  const streamed = series ? ["x", ...series.names] : [];
  /** @type {Trace} */
  const entry = {};
  for (const [name, value] of Object.entries(trace)) {
    if (!streamed.includes(name)) entry[name] = encode(value);
  }
  for (const name of streamed) {
    // A getter costs nothing while points come, and its value is current when a notebook is saved.
    const get = () => {
      points.showAll();
      return packColumn(/** @type {Series} */ (series), name);
    };
    Object.defineProperty(entry, name, { enumerable: true, configurable: true, get });
  }
  return entry;
}

/**
 * Return a column of the points that are saved.
 *
 * @param {Series} series
 * @param {string} name
 */
function packColumn(series, name) {
  if (!series.names.includes("z")) return pack(series.thin(SAVED_POINTS)[name]);
  const { first, next, rows } = series;
  const max = Math.max(2, Math.floor(SAVED_CELLS / Math.max(1, rows)));
  const { x, z } = chooseColumns(series, first, next, max);
  if (name === "x") return pack(x.slice());
  return pack(Float32Array.from(flattenRows(z, rows)), [rows, x.length]);
}
