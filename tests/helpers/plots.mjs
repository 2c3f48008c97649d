/** A plot without a page: its axes, and the streams on them. */

import { PlotAxes } from "../../tickerkit/chart/figure/plot_axes.js";
import { Series } from "../../tickerkit/chart/figure/series.js";
import { VisiblePoints } from "../../tickerkit/chart/figure/visible_points.js";
import { fakePlot } from "./elements.mjs";

/**
 * Return a plot, its axes, and its points.
 *
 * @param {object} options
 * @param options.layout as the figure's
 * @param options.drawn the axes as Plotly has drawn them
 * @param options.data the traces
 */
export function plotOf({ layout = {}, drawn = {}, data = [] } = {}) {
  const plot = fakePlot(
    {},
    {
      data,
      layout: structuredClone(layout),
      _fullLayout: {
        xaxis: { type: "linear", _length: 700 },
        yaxis: { type: "linear", _length: 300 },
        ...drawn,
      },
      _fullData: data.map((trace, index) => ({ visible: true, ...trace, index })),
    },
  );
  const axes = new PlotAxes(plot, () => layout);
  return { plot, axes, layout, points: new VisiblePoints(plot, axes) };
}

/** Return the stream of a trace with these columns. */
export function streamOf({ plot, axes }, index, columns) {
  const trace = plot.data[index];
  const names = Object.keys(columns).filter((name) => name !== "x");
  const isHeat = trace.type === "heatmap";
  const series = new Series(names, isHeat ? columns.z.length / columns.x.length : 1);
  series.write(0, columns);
  const [x, y] = [trace.xaxis ?? "x", trace.yaxis ?? "y"];
  const hasBars = trace.type === "bar" || names.length > 1;
  const full = plot._fullData[index];
  return { index, trace, full, series, x, y, hasBars, isHeat, base: null, root: axes.findRoot(x) };
}
