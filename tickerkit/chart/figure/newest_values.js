/**
 * Newest values: in the legend, and as labels at the right edge of the plot.
 */

import { asNumbers, formatNumber } from "./axes.js";

/** @import { Label, Place, Plot, Stream, Trace } from "./types.d.ts" */
/** @import { PlotAxes } from "./plot_axes.js" */

const LABEL_GAP_PX = 3;
const GREY = "#808080";

/**
 * Return a trace's colour.
 *
 * @param {Trace} full
 * @returns {string}
 */
const findColor = (full) =>
  full.line?.color ?? full.increasing?.line?.color ?? full.marker?.color ?? GREY;

/**
 * Write the newest values into the legend, but not into the text that hovering shows.
 *
 * @param {Plot} plot
 * @param {Stream[]} streams
 * @param {PlotAxes} axes
 * @param {Trace[]} data the figure's own
 */
export function writeLegend(plot, streams, axes, data) {
  const isAlongX = String(plot._fullLayout.hovermode).startsWith("x");
  for (const { trace, full, series, y } of streams) {
    const own = data.find((each) => each.uid === trace.uid) ?? {};
    const last = series.last();
    // A bar has four values, which hovering shows with its name.
    if (!own.name || !last || full.showlegend === false || series.names.length > 1) continue;
    const axis = axes.drawn(y);
    const height = (axis.range?.[1] ?? NaN) - (axis.range?.[0] ?? NaN);
    const value = formatNumber(last[series.names[0]], height);
    const text = `${own.name} ${value}${axis.ticksuffix ?? ""}`;
    trace.name = `<span style="color:${findColor(full)}">${text}</span>`;
    if (own.hovertemplate || own.hoverinfo || own.text) continue;
    trace.hovertemplate = `${isAlongX ? "%{y}" : "(%{x}, %{y})"}<extra>${own.name}</extra>`;
  }
}

/**
 * Return the labels of the newest values that are visible.
 *
 * @param {Stream[]} streams
 * @param {PlotAxes} axes
 * @param {Map<string, Place | null>} places the ranges of the x axes, by root
 * @returns {Label[]}
 */
export function makeNewestLabels(streams, axes, places) {
  const labels = [];
  for (const { series, trace, full, x, y, root } of streams) {
    const last = series.last();
    const range = places.get(root)?.range;
    if (!last || trace.type === "bar") continue;
    if (!range || !(axes.toData(root, range)[1] >= last.x)) continue;
    const [xaxis, yaxis] = [axes.drawn(x), axes.drawn(y)];
    const [bottom, top] = asNumbers(yaxis.range, "linear") ?? [NaN, NaN];
    const value = last[series.names[series.names.length - 1]];
    const position = yaxis.type === "log" ? Math.log10(value) : value;
    const share = (top - position) / (top - bottom);
    if (!(share >= 0 && share <= 1)) continue;
    labels.push({
      key: trace.uid,
      text: formatNumber(value, top - bottom) + (yaxis.ticksuffix ?? ""),
      color: (last.close < last.open && full.decreasing?.line?.color) || findColor(full),
      x: (xaxis._offset ?? NaN) + (xaxis._length ?? NaN) + LABEL_GAP_PX,
      y: (yaxis._offset ?? NaN) + share * (yaxis._length ?? NaN),
    });
  }
  return labels;
}
