/** What the axes of streamed traces show next. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveRanges } from "../../../tickerkit/chart/figure/live_ranges.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";
import { array } from "../../helpers/seeded.mjs";

/** Return a figure with a stream for each trace, whose x are 0 to 99, and its ranges. */
function liveFigure({ values = (i) => i, span = null, ...options } = {}) {
  const figure = plotOf({ data: [{ type: "scatter" }], ...options });
  const columns = { x: array(100, (i) => i), y: array(100, values) };
  const streams = figure.plot.data.map((_, i) => streamOf(figure, i, columns));
  const ranges = new LiveRanges(figure.plot, figure.axes, figure.points, () => span);
  const show = (isFollowing = true) => {
    const places = ranges.planX(streams, isFollowing);
    ranges.apply(streams, places, isFollowing);
    const { xaxis, yaxis } = figure.plot.layout;
    return [xaxis?.range, yaxis?.range];
  };
  return { ...figure, streams, ranges, show };
}

/** Append a point to the first stream. */
const append = ({ streams: [{ series }] }, x, y) => series.write(series.next, { x: [x], y: [y] });

test("a chart that follows shows all points, with room to the right, above and below", () => {
  const [x, y] = liveFigure().show();
  assert.deepEqual(x, [0, 99 * 1.01]);
  assert.deepEqual(y, [-99 * 0.08, 99 * 1.08]);
});

test("a trace without new points does not stretch the axis beyond its span", () => {
  const data = [{ type: "scatter" }, { type: "scatter" }];
  const figure = liveFigure({ data, span: 50 });
  append(figure, 500, 50);
  assert.deepEqual(figure.show()[0], [450, 500.5]);
  const drawn = { xaxis: { type: "date", _length: 700 } };
  const dates = liveFigure({ drawn, span: 0.05 }); // seconds; dates are milliseconds
  assert.equal(dates.show()[0][0], 49);
});

test("the range of a pane contains the levels of its indicator, but no other lines", () => {
  const figure = liveFigure({ values: () => 50 });
  const shapes = [
    { name: "level", yref: "y", y0: 30 },
    { name: "level", yref: "y", y0: 70 },
    { name: "level", yref: "y2", y0: 500 },
    { yref: "y", y0: 900 },
  ];
  Object.assign(figure.plot._fullLayout, { shapes });
  assert.deepEqual(figure.show()[1], [30 - 40 * 0.08, 70 + 40 * 0.08]);
});

test("flat values have an axis of several of their own steps", () => {
  const height = (yhoverformat) => {
    const data = [{ type: "scatter", yhoverformat }];
    const [, [bottom, top]] = liveFigure({ data, values: () => 0.52 }).show();
    return top - bottom;
  };
  assert.ok(height(",.2f") >= 0.04);
  assert.ok(height(",.4f") < 0.04);
  assert.ok(height(undefined) < 0.001);
});

test("a chart that holds still keeps its range of x as points come", () => {
  const figure = liveFigure();
  const [before] = figure.show();
  append(figure, 500, 50);
  assert.deepEqual(figure.show(false)[0], before);
  assert.notDeepEqual(figure.show(true)[0], before);
});

test("a chart that holds still keeps its range of y while the data fit", () => {
  const figure = liveFigure();
  const [, before] = figure.show();
  append(figure, 50, 50);
  assert.deepEqual(figure.show(false)[1], before);
  append(figure, 60, 1000);
  assert.ok(figure.show(false)[1][1] > 1000);
});

test("a range that the user has set is shown, as dates in milliseconds", () => {
  const drawn = { xaxis: { type: "date", _length: 700 } };
  const layout = { xaxis: { range: ["1970-01-01 00:00:00.010", "1970-01-01 00:00:00.020"] } };
  const [x, y] = liveFigure({ layout, drawn }).show();
  assert.deepEqual(x, [10, 20]);
  assert.deepEqual(y, [10 - 0.8, 20 + 0.8]); // of the visible points
});

test("y axes that match, as those of facets, show the points of all of them", () => {
  const data = [{ type: "scatter" }, { type: "scatter", yaxis: "y2" }];
  const figure = liveFigure({ data, layout: { yaxis2: { matches: "y" } } });
  figure.streams[1].series.write(100, { x: [100], y: [1000] });
  const [, y] = figure.show();
  assert.ok(y[1] > 1000);
  assert.deepEqual(figure.plot.layout.yaxis2.range, y);
});

test("Plotly finds the range of y of areas and bars that it stacks, from their sums", () => {
  const area = { type: "scatter", stackgroup: "1" };
  assert.equal(liveFigure({ data: [area, area] }).show()[1], undefined);
  const bar = { type: "bar" };
  const stacked = liveFigure({ data: [bar, bar], drawn: { barmode: "relative" } });
  assert.equal(stacked.show()[1], undefined);
  const alone = liveFigure({ data: [bar], drawn: { barmode: "relative" } });
  assert.deepEqual(alone.show()[1], [0, 99 * 1.08]);
  const late = liveFigure({ data: [bar, bar] });
  assert.ok(late.show()[1]);
  late.plot._fullLayout.barmode = "stack";
  assert.equal(late.show()[1], undefined);
});

test("a range of y that the user has set is left as it is", () => {
  const layout = { yaxis: { range: [0, 5] } };
  assert.deepEqual(liveFigure({ layout }).show()[1], [0, 5]);
});

test("a width that a range button has set is shown up to the newest point", () => {
  const figure = liveFigure();
  figure.show();
  figure.ranges.setWidth("x", 10);
  assert.deepEqual(figure.show()[0], [89, 99.1]);
  figure.ranges.forget();
  assert.deepEqual(figure.show()[0], [0, 99 * 1.01]);
});

test("axes that match show one range, that of all their streams", () => {
  const data = [{ type: "scatter" }, { type: "scatter", xaxis: "x2", yaxis: "y2" }];
  const figure = liveFigure({ data, layout: { xaxis2: { matches: "x" } } });
  figure.streams[1].series.write(100, { x: [199], y: [0] });
  figure.show();
  assert.deepEqual(figure.plot.layout.xaxis.range, [0, 199 * 1.01]);
  assert.deepEqual(figure.plot.layout.xaxis2.range, [0, 199 * 1.01]);
});

test("an axis y with a trace that is not streamed is left to Plotly", () => {
  const data = [{ type: "scatter" }, { type: "scatter" }];
  const figure = liveFigure({ data });
  figure.streams.pop();
  assert.equal(figure.show()[1], undefined);
});

test("bars show zero, and half a bar beyond the first and the last", () => {
  const [x, y] = liveFigure({ data: [{ type: "bar" }], values: (i) => 10 + i }).show();
  assert.deepEqual(x, [-0.5, 99.5 + 1]);
  assert.equal(y[0], 0);
});

test("without points, or with points that an axis can't show, Plotly chooses", () => {
  const empty = liveFigure();
  empty.streams[0].series.reset(2, 0);
  assert.deepEqual(empty.ranges.planX(empty.streams, true), new Map([["x", null]]));
  assert.deepEqual(empty.show(), [undefined, undefined]);
  const drawn = { yaxis: { type: "log", _length: 300 } };
  const negative = liveFigure({ drawn, values: (i) => -i - 1 });
  assert.equal(negative.show()[1], undefined);
  assert.equal(negative.plot.layout.yaxis.autorange, true);
});

test("the cells of a heat map fill the width of their axis, and Plotly finds the rows", () => {
  const figure = plotOf({ data: [{ type: "heatmap" }] });
  const stream = streamOf(figure, 0, { x: array(100, (i) => i), z: array(300, (i) => i) });
  const ranges = new LiveRanges(figure.plot, figure.axes, figure.points);
  ranges.apply([stream], ranges.planX([stream], true), true);
  assert.deepEqual(figure.plot.layout.xaxis.range, [-0.5, 99.5]);
  assert.equal(figure.plot.layout.yaxis, undefined);
});
