/**
 * plotly's messages: apply them to data and layout, and find the differences to report.
 *
 * Python and the page each hold the figure's data and layout. plotly's FigureWidget sends each
 * message to the page as a trait `_py2js_<kind>`.
 */

import { isDict, isEqual, setPath } from "./values.js";

/** @import { Trace, Layout } from "./types.d.ts" */
/** @typedef {Record<string, any>} Dict */
/** @typedef {{data: Trace[], layout: Layout}} FigureState */

/** The names of a trace's columns of points. */
const DATA_NAMES = ["x", "y", "z", "open", "high", "low", "close"];

/**
 * @param {Dict} target
 * @param {Dict | null | undefined} changes values by path
 */
function relayout(target, changes) {
  for (const [path, value] of Object.entries(changes ?? {})) {
    if (value === undefined) continue;
    setPath(target, path, value);
    // As in Plotly: setting a range turns autorange off.
    const [, axis] = path.match(/^([xy]axis\d*)\.range(\[|$)/) ?? [];
    if (!axis || value === null || `${axis}.autorange` in /** @type {Dict} */ (changes)) continue;
    if (target[axis].autorange === true) target[axis].autorange = false;
  }
}

/**
 * @param {Trace[]} data
 * @param {Dict | null | undefined} changes values by path: one for all traces, or a list
 * @param {number[]} indices
 */
function restyle(data, changes, indices) {
  for (const [path, value] of Object.entries(changes ?? {})) {
    const values = Array.isArray(value) ? value : [value];
    for (const [number, index] of indices.entries()) {
      const own = values[number % values.length];
      if (own !== undefined && data[index]) setPath(data[index], path, own);
    }
  }
}

/**
 * Return the indices that a message names: one, several, or null for all.
 *
 * @param {number | number[] | null | undefined} named
 * @param {Trace[]} data
 * @returns {number[]}
 */
export function listTraceIndices(named, data) {
  return named === null || named === undefined ? data.map((_, index) => index) : [named].flat();
}

/**
 * By kind of message: a function that applies the message to data and layout.
 *
 * @type {Record<string, (figure: FigureState, message: any) => void>}
 */
export const APPLY = {
  addTraces: ({ data }, message) => data.push(...message.trace_data),
  deleteTraces: ({ data }, message) => {
    for (const index of sortDescending(message.delete_inds)) data.splice(index, 1);
  },
  moveTraces: ({ data }, message) => {
    /** @type {number[]} */
    const from = message.current_trace_inds;
    const moved = from.map((index) => data[index]);
    for (const index of sortDescending(from)) data.splice(index, 1);
    /** @type {[number, Trace][]} */
    const order = message.new_trace_inds.map(
      (/** @type {number} */ to, /** @type {number} */ i) => [to, moved[i]],
    );
    for (const [to, trace] of order.sort((a, b) => a[0] - b[0])) data.splice(to, 0, trace);
  },
  restyle: ({ data }, message) =>
    restyle(data, message.restyle_data, listTraceIndices(message.restyle_traces, data)),
  relayout: ({ layout }, message) => relayout(layout, message.relayout_data),
  update: ({ data, layout }, message) => {
    restyle(data, message.style_data, listTraceIndices(message.style_traces, data));
    relayout(layout, message.layout_data);
  },
  animate: ({ data, layout }, message) => {
    const indices = listTraceIndices(message.style_traces, data);
    for (const [i, style] of message.style_data.entries()) relayout(data[indices[i]], style);
    relayout(layout, message.layout_data);
  },
  removeLayoutProps: ({ layout }, message) => {
    for (const path of message.remove_props) setPath(layout, path.map(String), null);
  },
  removeTraceProps: ({ data }, message) => {
    for (const path of message.remove_props) {
      setPath(data[message.remove_trace], path.map(String), null);
    }
  },
};

/** @param {number[]} indices */
function sortDescending(indices) {
  return [...indices].sort((a, b) => b - a);
}

/**
 * Return the indices of the traces that a message deletes, or whose columns it replaces.
 *
 * @param {string} kind
 * @param {Dict} message
 * @param {Trace[]} data before the message is applied
 */
export function findReplacedTraces(kind, message, data) {
  /** @type {Set<number>} */
  const replaced = new Set(kind === "deleteTraces" ? message.delete_inds : []);
  for (const [style, indices] of listStyles(kind, message, data)) {
    for (const [path, value] of Object.entries(style ?? {})) {
      const [name] = path.split(/[.[]/);
      if (!DATA_NAMES.includes(name)) continue;
      const values = Array.isArray(value) ? value : [value];
      for (const [number, index] of indices.entries()) {
        // The y of a heat map are the places of its rows, which stay when columns come.
        if (name === "y" && data[index]?.type === "heatmap") continue;
        if (values[number % values.length] !== undefined) replaced.add(index);
      }
    }
  }
  return replaced;
}

/**
 * Return each style in a message with the indices of the traces that get it.
 *
 * @param {string} kind
 * @param {Dict} message
 * @param {Trace[]} data
 * @returns {[Dict | undefined, number[]][]}
 */
function listStyles(kind, message, data) {
  if (kind !== "animate") {
    const traces = message.restyle_traces ?? message.style_traces;
    return [[message.restyle_data ?? message.style_data, listTraceIndices(traces, data)]];
  }
  const indices = listTraceIndices(message.style_traces, data);
  return message.style_data.map((/** @type {Dict} */ style, /** @type {number} */ number) => [
    style,
    [indices[number]],
  ]);
}

/**
 * Return the values that Plotly has filled in: those of `full` that are not in `known`.
 *
 * If Plotly has expanded a given value (such as the name of a colorscale), the given value is
 * returned.
 *
 * @param {Dict | null | undefined} full the trace with all values that Plotly has filled in
 * @param {Dict | null | undefined} own the trace as given to Plotly
 * @param {Dict | null | undefined} known the trace as Python has it
 * @returns {Dict}
 */
export function findDifference(full, own, known) {
  /** @type {Dict} */
  const result = {};
  for (const [key, filled] of Object.entries(full ?? {})) {
    if (key.startsWith("_")) continue;
    // Python has the values of all points, Plotly those of the points drawn.
    const given = known?.[key];
    if (ArrayBuffer.isView(given) || (Array.isArray(given) && !isDict(given[0]))) continue;
    const isNested = isDict(filled);
    const value = isNested || own?.[key] === undefined ? filled : own[key];
    if (value === null || value === undefined || typeof value === "function") continue;
    if (isNested) {
      const inner = findDifference(value, own?.[key], known?.[key]);
      if (Object.keys(inner).length) result[key] = inner;
    } else if (key === "uid" || !isEqual(value, known?.[key])) {
      const isList = Array.isArray(value) && isDict(value[0]);
      result[key] = !isList
        ? value
        : value.map((each, i) => findDifference(each, own?.[key]?.[i], known?.[key]?.[i]));
    }
  }
  return result;
}
