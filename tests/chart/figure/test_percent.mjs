/** Traces that are drawn as their change in percent. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PercentBases, toPercent } from "../../../tickerkit/chart/figure/percent.js";
import { makeNewestLabels, writeLegend } from "../../../tickerkit/chart/figure/newest_values.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";

const TRACE = { uid: "a", type: "scatter", name: "AAPL", meta: "percent", yhoverformat: "+,.2f" };
const YAXIS = { type: "linear", _length: 300, _offset: 20, range: [-100, 100], ticksuffix: " %" };

/** Return a figure with one stream that is drawn as its change. */
function figureOf(y, trace = TRACE) {
  const figure = plotOf({ data: [trace], drawn: { yaxis: YAXIS } });
  const bases = new PercentBases(figure.axes);
  const stream = streamOf(figure, 0, { x: y.map((_, i) => i), y });
  stream.base = bases.of(trace);
  return { ...figure, bases, stream };
}

/** Choose the bases for a range of x, and return the y drawn in it. */
function draw({ bases, points, stream }, range, isFollowing = true) {
  bases.choose([stream], new Map([["x", { range }]]), isFollowing);
  return [...points.of(stream, range).y];
}

test("a line begins at 0 % at the first value shown, and again when the window has moved", () => {
  const figure = figureOf([50, 100, 150, 75]);
  assert.deepEqual(draw(figure, [0, 3]), [0, 100, 200, 50]);
  assert.deepEqual(figure.points.extent(figure.stream, [0, 3]), [0, 200]);
  assert.deepEqual(draw(figure, [1, 3]).slice(1), [0, 50, -25]);
  assert.deepEqual(figure.points.extent(figure.stream, [1, 3]), [-25, 50]);
});

test("charts made at different moments show the same percentages of the same window", () => {
  const [earlier, later] = [figureOf([50, 100, 150, 75]), figureOf([100, 150, 75])];
  draw(earlier, [0, 2]);
  assert.deepEqual(draw(earlier, [1, 3]).slice(1), draw(later, [0, 2]));
});

test("while the chart holds still, a zoom keeps the base", () => {
  const figure = figureOf([50, 100, 150, 75]);
  draw(figure, [0, 3]);
  assert.deepEqual(draw(figure, [2, 3], false), [100, 200, 50]);
});

test("a page that loads a chart that holds still takes the first value that it has", () => {
  assert.deepEqual(draw(figureOf([50, 100, 150, 75]), [2, 3], false), [100, 200, 50]);
});

test("the base is neither a gap nor zero, and a fall below zero is a fall", () => {
  assert.deepEqual(draw(figureOf([NaN, 0, 50, 100]), [0, 3]), [NaN, -100, 0, 100]);
  assert.deepEqual(draw(figureOf([-50, -100]), [0, 1]), [0, -100]);
  assert.equal(toPercent(-25, -50), 50);
});

test("a line without a usable value has no extent", () => {
  const figure = figureOf([NaN, 0, 0]);
  assert.deepEqual(draw(figure, [0, 2]), [NaN, NaN, NaN]);
  assert.equal(figure.points.extent(figure.stream, [0, 2]), null);
});

test("the label and the legend show the change", () => {
  const { plot, axes, stream, ...figure } = figureOf([50, 75]);
  draw({ stream, ...figure }, [0, 1]);
  const places = new Map([["x", { range: [0, 1] }]]);
  const [label] = makeNewestLabels(plot, [stream], axes, places, plot.data);
  assert.deepEqual([label.text, label.y], ["+50.00 %", 20 + 75]);
  const data = [{ ...TRACE }];
  writeLegend(plot, [stream], axes, data);
  assert.equal(stream.trace.name, "AAPL +50.00 %");
});

test("other traces are drawn as they are", () => {
  assert.deepEqual(draw(figureOf([50, 75], { ...TRACE, meta: undefined }), [0, 1]), [50, 75]);
  assert.equal(figureOf([50], { ...TRACE, type: "bar" }).stream.base, null);
});

test("a moving average changes since the first value of its line, not of its own", () => {
  const line = { ...TRACE, uid: "a" };
  const average = { ...TRACE, uid: "b", meta: "percent of a" };
  const figure = plotOf({ data: [line, average], drawn: { yaxis: YAXIS } });
  const bases = new PercentBases(figure.axes);
  const x = [0, 1, 2];
  const streams = [
    streamOf(figure, 0, { x, y: [100, 110, 120] }),
    streamOf(figure, 1, { x: [1, 2], y: [105, 115] }),
  ];
  for (const stream of streams) stream.base = bases.of(stream.trace);
  bases.choose(streams, new Map([["x", { range: [0, 2] }]]), true);
  assert.deepEqual([...figure.points.of(streams[1], [0, 2]).y], [5, 15]);
  bases.choose(streams.slice(1), new Map([["x", { range: [0, 2] }]]), true);
  assert.ok(figure.points.of(streams[1], [0, 2]).y.every(Number.isNaN)); // the line is hidden
});
