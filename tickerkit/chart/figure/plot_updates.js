/**
 * Plot updates: the call of plotly.js for each kind of message from Python's plotly.
 */

import { listTraceIndices } from "./figure_messages.js";
import { copy } from "./values.js";

/** @import { View } from "./view.js" */

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
    Plotly.relayout(plot, { ...copy(message.relayout_data), [UNREPORTED]: true }),
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
 * @param {View} view
 * @param {Record<string, any>} style
 * @param {Record<string, any>} changes of the layout
 * @param {number | number[] | null} named
 */
function update({ Plotly, plot, figure }, style, changes, named) {
  const layout = copy(changes ?? {});
  // When the data change, Plotly guesses an axis' type again, even if the layout declares it.
  for (const [key, axis] of Object.entries(figure.layout)) {
    if (/^[xy]axis\d*$/.test(key) && axis?.type) layout[`${key}.type`] ??= axis.type;
  }
  const restyle = { ...copy(style ?? {}), [UNREPORTED]: true };
  return Plotly.update(plot, restyle, layout, listTraceIndices(named, figure.data));
}
