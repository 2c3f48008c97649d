/** The points of a stream that are worth drawing. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { plotOf, streamOf } from "../../helpers/plots.mjs";
import { array } from "../../helpers/seeded.mjs";

const numbers = (count) => array(count, (i) => i);
const CANDLE = ["open", "high", "low", "close"];
const candlesOf = (count) =>
  Object.fromEntries(["x", ...CANDLE].map((name) => [name, numbers(count)]));

test("of a line there are at most four points for each pixel, of markers fewer", () => {
  const figure = plotOf({ data: [{ type: "scatter" }, { type: "scatter", mode: "markers" }] });
  const columns = { x: numbers(50_000), y: array(50_000, Math.sin) };
  const [lines, markers] = [0, 1].map((i) => streamOf(figure, i, columns));
  assert.ok(figure.points.of(lines, [0, 50_000]).x.length <= 4 * 700 + 2);
  assert.ok(figure.points.of(markers, [0, 50_000]).x.length <= (4 * 700) / 6 + 6);
});

test("a range may be reversed", () => {
  const figure = plotOf({ data: [{ type: "scatter" }] });
  const stream = streamOf(figure, 0, { x: numbers(50_000), y: array(50_000, Math.sin) });
  for (const range of [
    [10, 12],
    [100, 40_000],
  ]) {
    const [forward, back] = [range, range.toReversed()].map((each) =>
      figure.points.of(stream, each, 700),
    );
    assert.deepEqual(back, forward);
  }
});

test("of bars there is one for each two pixels, and one more at each edge", () => {
  const figure = plotOf({ data: [{ type: "candlestick" }] });
  const stream = streamOf(figure, 0, candlesOf(10_000));
  assert.ok(figure.points.of(stream, [0, 10_000]).x.length <= 350);
  assert.deepEqual([...figure.points.of(stream, [100, 110]).x], [...numbers(112).slice(99)]);
});

test("bars beside candles are summed, other bars show the largest", () => {
  const columns = { x: numbers(1000), y: array(1000, () => 1) };
  const beside = plotOf({ data: [{ type: "bar" }, { type: "candlestick" }] });
  assert.equal(beside.points.of(streamOf(beside, 0, columns), [0, 1000]).y[10], 4);
  const alone = plotOf({ data: [{ type: "bar" }, { type: "candlestick", xaxis: "x2" }] });
  assert.equal(alone.points.of(streamOf(alone, 0, columns), [0, 1000]).y[10], 1);
});

test("the extent of bars is that of the bars as drawn", () => {
  const columns = { x: numbers(1000), y: array(1000, () => 1) };
  const figure = plotOf({ data: [{ type: "bar" }, { type: "candlestick" }] });
  assert.deepEqual(figure.points.extent(streamOf(figure, 0, columns), [0, 999]), [4, 4]);
  const candles = streamOf(figure, 1, candlesOf(100));
  assert.deepEqual(figure.points.extent(candles, [10, 20]), [10, 20]);
  assert.equal(figure.points.extent(candles, [200, 300]), null);
});

test("a trace has its visible points, or all where Plotly chooses the range", () => {
  const figure = plotOf({ data: [{ type: "scatter" }] });
  const stream = streamOf(figure, 0, { x: numbers(100), y: numbers(100) });
  figure.points.fill(stream, { range: [10, 12] });
  assert.deepEqual([...stream.trace.x], [9, 10, 11, 12, 13]);
  figure.points.fill(stream, null);
  assert.equal(stream.trace.x.length, 100);
});

test("with a range slider a trace has all points, and an empty trace none", () => {
  const xaxis = { type: "linear", _length: 700, rangeslider: { visible: true } };
  const figure = plotOf({ data: [{ type: "scatter" }], drawn: { xaxis } });
  const stream = streamOf(figure, 0, { x: numbers(100), y: numbers(100) });
  figure.points.fill(stream, { range: [10, 12] });
  assert.equal(stream.trace.y.length, 100);
  const empty = streamOf(figure, 0, { x: [], y: [] });
  figure.points.fill(empty, null);
  assert.equal(empty.trace.x.length, 0);
});

test("a heat map has all its columns, or two that stand in for them", () => {
  const figure = plotOf({ data: [{ type: "heatmap" }] });
  const stream = streamOf(figure, 0, { x: numbers(100), z: numbers(300) });
  figure.points.fill(stream, { range: [10, 12] }, false);
  assert.deepEqual(
    stream.trace.z.map((row) => row.length),
    [100, 100, 100],
  );
  assert.equal(stream.trace.z[2][99], 299);
  figure.points.fill(stream, { range: [10, 12] }, true);
  assert.deepEqual([...stream.trace.x], [0, 99]);
  assert.deepEqual([...stream.trace.z[0]], [0, 299]);
});

test("of more columns than the screen can show, a zoom shows each one", () => {
  const figure = plotOf({ data: [{ type: "heatmap" }] });
  const stream = streamOf(figure, 0, { x: numbers(10_000), z: numbers(20_000) });
  figure.points.fill(stream, { range: [10, 12] }, false);
  assert.deepEqual([...stream.trace.x], [9, 10, 11, 12, 13]);
  figure.points.fill(stream, { range: [0, 10_000] }, false);
  assert.ok(stream.trace.x.length <= 1400);
  assert.equal(figure.points.of(stream, [0, 10_000]).z.length, 2 * stream.trace.x.length);
});
