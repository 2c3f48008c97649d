/**
 * Plot updates: the call of plotly.js for each kind of message from Python's plotly.
 */

import { listTraceIndices } from "./figure_messages.js";
import { copy } from "./values.js";

/** @import { Trace } from "./types.d.ts" */
/** @import { View } from "./view.js" */

/** A message that takes longer to draw is followed by a rest. */
const SLOW_MESSAGE_MS = 50;

/** Marks a change that Python made, so that the event it causes isn't reported to Python. */
export const UNREPORTED = "_doNotReportToPy";

/**
 * By kind of message: a function that changes a view's plot; it resolves when Plotly has drawn it.
 *
 * @type {Record<string, (view: View, message: any) => Promise<unknown> | undefined>}
 */
export const UPDATE_PLOT = {
  addTraces: ({ Plotly, plot }, message) => Plotly.addTraces(plot, message.trace_data.map(copy)),
  deleteTraces: ({ Plotly, plot }, message) => Plotly.deleteTraces(plot, message.delete_inds),
  moveTraces: ({ Plotly, plot }, message) => {
    const { current_trace_inds: from, new_trace_inds: to } = message;
    return from.join() === to.join() ? undefined : Plotly.moveTraces(plot, from, to);
  },
  restyle: (view, { restyle_data, restyle_traces }) =>
    update(view, restyle_data, {}, restyle_traces),
  relayout: ({ Plotly, plot }, message) =>
    Plotly.relayout(plot, { ...dropRepeated(copy(message.relayout_data)), [UNREPORTED]: true }),
  update: (view, { style_data, layout_data, style_traces }) =>
    update(view, style_data, layout_data, style_traces),
  animate: ({ Plotly, plot, figure }, message) => {
    const frame = {
      data: copy(message.style_data),
      layout: copy(message.layout_data),
      traces: listTraceIndices(message.style_traces, figure.data),
      [UNREPORTED]: true,
    };
    return Plotly.animate(plot, frame, message.animation_opts);
  },
};

/**
 * Return what a message replaces: it can be left out if a later one replaces the same. null for a
 * kind of message that can't be left out.
 *
 * @param {string} kind
 * @param {any} message
 * @param {Trace[]} data
 */
export function nameReplaced(kind, message, data) {
  if (kind !== "restyle" && kind !== "update") return null;
  const style = Object.keys(message.restyle_data ?? message.style_data ?? {});
  const named = message.restyle_traces ?? message.style_traces;
  const uids = listTraceIndices(named, data).map((index) => data[index]?.uid);
  return JSON.stringify([uids, style.sort(), Object.keys(message.layout_data ?? {}).sort()]);
}

/**
 * The messages that wait to be drawn.
 *
 * A page that draws more slowly than messages come leaves out those that later ones replace.
 * Otherwise they would wait in a queue that only grows. After a slow draw it rests for as long.
 */
export class Backlog {
  /** The versions of the newest messages, by what they replace. @type {Map<string, number>} */
  #newest = new Map();
  #restsUntil = -Infinity;

  /**
   * @param {string | null} replaced what the message replaces, see `nameReplaced`
   * @param {number} version of the figure with the message
   */
  add(replaced, version) {
    if (replaced) this.#newest.set(replaced, version);
  }

  /**
   * Take a message; resolve to whether it is to be drawn.
   *
   * @param {string | null} replaced
   * @param {number} version
   */
  async take(replaced, version) {
    if (!replaced) return true;
    const wait = this.#restsUntil - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#newest.get(replaced) !== version) return false;
    this.#newest.delete(replaced);
    return true;
  }

  /**
   * Note how long Plotly took for a message.
   *
   * @param {number} startedAt
   * @param {number} endedAt
   */
  noteDraw(startedAt, endedAt) {
    const tookMs = endedAt - startedAt;
    if (tookMs > SLOW_MESSAGE_MS) this.#restsUntil = endedAt + tookMs;
  }
}

/**
 * Leave each part of a layout once: Python's plotly sends a new axis whole, and again each of its
 * parts, which Plotly refuses together.
 *
 * @param {Record<string, any>} changes of the layout
 */
function dropRepeated(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (!value || typeof value !== "object") continue;
    const parts = Object.keys(changes).filter((other) => other.startsWith(`${name}.`));
    const repeated = parts.length && !Object.keys(value).length ? [name] : parts;
    for (const each of repeated) delete changes[each];
  }
  return changes;
}

/**
 * @param {View} view
 * @param {Record<string, any>} style
 * @param {Record<string, any>} changes of the layout
 * @param {number | number[] | null} named
 */
function update({ Plotly, plot, figure }, style, changes, named) {
  const layout = dropRepeated(copy(changes ?? {}));
  // When the data change, Plotly guesses an axis' type again, even if the layout declares it.
  for (const [key, axis] of Object.entries(figure.layout)) {
    if (/^[xy]axis\d*$/.test(key) && axis?.type) layout[`${key}.type`] ??= axis.type;
  }
  const restyle = { ...copy(style ?? {}), [UNREPORTED]: true };
  return Plotly.update(plot, restyle, layout, listTraceIndices(named, figure.data));
}
