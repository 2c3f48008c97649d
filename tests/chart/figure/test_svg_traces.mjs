/** Which lines and bars can be drawn into Plotly's SVG, and what is drawn. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Series } from "../../../tickerkit/chart/figure/series.js";
import { createTracePatch } from "../../../tickerkit/chart/figure/svg_traces.js";
import { FakeElement, fakePlot } from "../../helpers/elements.mjs";

const X = { type: "linear", _length: 100 };
const Y = { type: "linear", _length: 50, range: [0, 10] }; // 5 pixels for each 1, from the top down
const CANDLE = ["open", "high", "low", "close"];

const floats = (...values) => Float64Array.from(values);

/** Return the stream of a line, and the plot with its path. */
function line({ full = {}, paths = [new FakeElement({ d: "M0,0" })] } = {}) {
  const plot = fakePlot({ ".scatterlayer .tracea path.js-line": paths });
  const stream = {
    trace: { uid: "a" },
    full: { type: "scatter", mode: "lines", ...full },
    series: new Series(["y"]),
  };
  return { plot, stream, paths };
}

/** Return the patch of a line, and a function that draws points and returns the path. */
function drawLine(options, x, y, range = [0, 100], yaxis = Y) {
  const { plot, stream, paths } = line(options);
  const draw = createTracePatch(plot, stream, X, yaxis).plan({ x, y }, range);
  draw?.();
  return draw && paths.map((path) => path.getAttribute("d"));
}

test("a line is a path through its points, in hundredths of pixels", () => {
  const x = floats(0, 33.3333, 100);
  assert.deepEqual(drawLine({}, x, floats(0, 5, 10)), ["M0,50L33.33,25L100,0"]);
});

test("a line moves with the range of its axis", () => {
  assert.deepEqual(drawLine({}, floats(0, 100), floats(0, 10), [-50, 50]), ["M50,50L150,0"]);
});

test("NaN breaks a line", () => {
  const path = drawLine({}, floats(0, 1, 2, 3), floats(1, 1, NaN, 1));
  assert.deepEqual(path, ["M0,45L1,45M3,45"]);
});

test("a stepped line goes across, then up or down", () => {
  const full = { line: { shape: "hv" } };
  assert.deepEqual(drawLine({ full }, floats(0, 10, 20), floats(0, 10, 5)), ["M0,50H10V0H20V25"]);
});

test("a line without points is empty, and has one path only", () => {
  const paths = [new FakeElement({ d: "M1,1" }), new FakeElement({ d: "M2,2" })];
  assert.deepEqual(drawLine({ paths }, floats(), floats()), ["M0,0", null]);
});

test("a line that leaves its area is drawn by Plotly", () => {
  for (const y of [floats(0, 10.1), floats(-0.1, 5)]) {
    assert.equal(drawLine({}, floats(0, 1), y), null);
  }
  const upsideDown = { ...Y, range: [10, 0] };
  assert.equal(drawLine({}, floats(0, 1), floats(0, 11), [0, 1], upsideDown), null);
  assert.deepEqual(drawLine({}, floats(0), floats(1), [0, 1], upsideDown), ["M0,5"]);
});

test("lines of other kinds are drawn by Plotly", () => {
  const kinds = [
    { mode: "lines+markers" },
    { fill: "tozeroy" },
    { line: { shape: "spline" } },
    { type: "scattergl" },
  ];
  for (const full of kinds) {
    const { plot, stream } = line({ full });
    assert.equal(createTracePatch(plot, stream, X, Y), null);
  }
  const { plot, stream } = line({ paths: [] });
  assert.equal(createTracePatch(plot, stream, X, Y), null);
});

test("axes of other kinds are drawn by Plotly", () => {
  const { plot, stream } = line();
  const kinds = [
    [{ ...X, type: "log" }, Y],
    [{ ...X, type: "category" }, Y],
    [{ ...X, _length: 0 }, Y],
    [{ ...X, autorange: "reversed" }, Y],
    [{ ...X, rangeslider: { visible: true } }, Y],
    [{ ...X, rangebreaks: [{}] }, Y],
    [X, { ...Y, type: "log" }],
  ];
  for (const [xaxis, yaxis] of kinds) {
    assert.equal(createTracePatch(plot, stream, xaxis, yaxis), null);
  }
  assert.ok(createTracePatch(plot, stream, { ...X, type: "date" }, Y));
});

// ---- bars

/** Return a plot with bars of volume as Plotly draws them, and their stream. */
function volumes(y, d = y.map((value) => `M0,50V${50 - 5 * value}H8V50Z`)) {
  const trace = { uid: "v", x: floats(...y.map((_, i) => i)), y: floats(...y) };
  const paths = d.map((each) => new FakeElement({ d: each, style: "fill: grey" }));
  const drawn = { __data__: [{ trace: { uid: "v" } }], querySelectorAll: () => paths };
  const other = { __data__: [{ trace: { uid: "w" } }], querySelectorAll: () => [] };
  const plot = fakePlot({ ".barlayer > .trace": [other, drawn] });
  return { plot, paths, stream: { trace, full: { type: "bar" }, series: new Series(["y"]) } };
}

/** Return the path of a candle as Plotly draws it. */
function candlePath({ open, high, low, close }) {
  const y = (value) => 50 - 5 * value;
  const [top, bottom] = [Math.max(open, close), Math.min(open, close)];
  const inside = Math.max(y(top) + 1, Math.min(y(close), y(bottom) - 1));
  const box = `M2,${inside}H8M2,${y(bottom)}H8V${y(top)}H2ZM5,${y(bottom)}V${y(low)}`;
  return `${box}M5,${y(top)}V${y(high)}`;
}

/** Return a plot with these candles, and their stream. */
function candles(bars) {
  const trace = { uid: "c", x: floats(...bars.map((_, i) => i)) };
  for (const name of CANDLE) trace[name] = floats(...bars.map((bar) => bar[name]));
  const paths = bars.map((bar) => {
    const style = bar.close >= bar.open ? "up" : "down";
    return new FakeElement({ d: candlePath(bar), style });
  });
  const drawn = { __data__: [{ trace: { uid: "c" } }], querySelectorAll: () => paths };
  const plot = fakePlot({ ".boxlayer > .trace": [drawn] });
  const stream = { trace, full: { type: "candlestick" }, series: new Series(CANDLE) };
  return { plot, paths, stream };
}

const columnsOf = ({ trace, series }) =>
  Object.fromEntries(["x", ...series.names].map((name) => [name, trace[name].slice()]));

const UP = { open: 2, high: 6, low: 1, close: 5 };
const DOWN = { open: 5, high: 6, low: 1, close: 2 };

test("the last bar grows, and the others stay", () => {
  const { plot, paths, stream } = volumes([2, 4, 6]);
  const patch = createTracePatch(plot, stream, X, Y);
  const columns = columnsOf(stream);
  columns.y[2] = 8;
  patch.plan(columns)();
  assert.deepEqual(
    paths.map((path) => path.getAttribute("d")),
    ["M0,50V40H8V50Z", "M0,50V30H8V50Z", "M0,50V10H8V50Z"],
  );
  assert.equal(stream.trace.y[2], 8); // what is drawn is in Plotly's trace
});

test("a plan draws nothing until it is called", () => {
  const { plot, paths, stream } = volumes([2, 4]);
  const columns = columnsOf(stream);
  columns.y[1] = 5;
  createTracePatch(plot, stream, X, Y).plan(columns);
  assert.equal(paths[1].getAttribute("d"), "M0,50V30H8V50Z");
  assert.equal(stream.trace.y[1], 4);
});

test("another bar, a bar that has changed before the last, and one too high are Plotly's", () => {
  const { plot, stream } = volumes([2, 4, 6]);
  const patch = createTracePatch(plot, stream, X, Y);
  const more = { x: floats(0, 1, 2, 3), y: floats(2, 4, 6, 1) };
  assert.equal(patch.plan(more), null);
  for (const [name, index, value] of [
    ["y", 1, 5],
    ["x", 2, 2.5],
    ["y", 2, 11],
  ]) {
    const columns = columnsOf(stream);
    columns[name][index] = value;
    assert.equal(patch.plan(columns), null);
  }
});

test("bars that are not drawn as expected are Plotly's", () => {
  const ways = [
    ["M0,50V40H8V50Z", "M0,50L0,30L8,30Z"], // other letters
    ["M0,50V40H8V50Z", "M0,50V20H8V50Z"], // another height
    ["M0,50V40H8V50Z"], // fewer paths than bars
  ];
  for (const d of ways) {
    const { plot, stream } = volumes([2, 4], d);
    assert.equal(createTracePatch(plot, stream, X, Y), null);
  }
});

test("a candle keeps its style while it goes the same way", () => {
  const { plot, paths, stream } = candles([DOWN, UP]);
  const columns = columnsOf(stream);
  [columns.close[1], columns.high[1]] = [7, 8];
  createTracePatch(plot, stream, X, Y).plan(columns)();
  assert.equal(paths[1].getAttribute("d"), candlePath({ ...UP, close: 7, high: 8 }));
  assert.equal(paths[1].getAttribute("style"), "up");
});

test("a candle that turns takes the style of one that went its way", () => {
  const { plot, paths, stream } = candles([DOWN, UP, UP]);
  const columns = columnsOf(stream);
  [columns.close[2], columns.low[2]] = [1.5, 1];
  createTracePatch(plot, stream, X, Y).plan(columns)();
  assert.equal(paths[2].getAttribute("style"), "down");
});

test("a candle that turns as the first of its way is Plotly's", () => {
  const { plot, stream } = candles([UP, UP]);
  const columns = columnsOf(stream);
  columns.close[1] = 1.5;
  assert.equal(createTracePatch(plot, stream, X, Y).plan(columns), null);
});

test("a bar of prices has its four heights", () => {
  const path = (close) => `M1,40H5M5,20V45M5,${50 - 5 * close}H9`;
  const bar = { x: floats(0), open: floats(2), high: floats(6), low: floats(1), close: floats(5) };
  const paths = [new FakeElement({ d: path(5), style: "up" })];
  const drawn = { __data__: [{ trace: { uid: "o" } }], querySelectorAll: () => paths };
  const plot = fakePlot({ ".ohlclayer > .trace": [drawn] });
  const stream = {
    trace: { uid: "o", ...bar },
    full: { type: "ohlc" },
    series: new Series(CANDLE),
  };
  const columns = columnsOf(stream);
  columns.close[0] = 4;
  createTracePatch(plot, stream, X, Y).plan(columns)();
  assert.equal(paths[0].getAttribute("d"), path(4));
});
