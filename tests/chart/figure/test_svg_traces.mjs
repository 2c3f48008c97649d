/** Which bars can be drawn into Plotly's SVG, and what is drawn. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Series } from "../../../tickerkit/chart/figure/series.js";
import { createBarPatch } from "../../../tickerkit/chart/figure/svg_traces.js";
import { FakeElement, fakePlot } from "../../helpers/elements.mjs";

const Y = { type: "linear", _length: 50, range: [0, 10] }; // 5 pixels for each 1, from the top down
const CANDLE = ["open", "high", "low", "close"];

const X = { type: "date", _length: 100 };

/** Return the patch of bars that are drawn in a range of x from 0 to 1. */
const makePatch = (plot, stream, y = Y) => createBarPatch(plot, stream, { x: X, y }, [0, 1]);

const floats = (...values) => Float64Array.from(values);

/** Return a plot with bars of volume as Plotly draws them, and their stream. */
function volumes(y, d = y.map((value) => `M0,50V${50 - 5 * value}H8V50Z`)) {
  const trace = { uid: "v", x: floats(...y.map((_, i) => i)), y: floats(...y) };
  const paths = d.map((each) => new FakeElement({ d: each, style: "fill: grey" }));
  const drawn = Object.assign(new FakeElement(), {
    __data__: [{ trace: { uid: "v" } }],
    querySelectorAll: () => paths,
  });
  const other = { __data__: [{ trace: { uid: "w" } }], querySelectorAll: () => [] };
  const plot = fakePlot({ ".barlayer > .trace": [other, drawn] });
  const stream = { trace, full: { type: "bar" }, series: new Series(["y"]) };
  return { plot, paths, drawn, stream };
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
  const drawn = Object.assign(new FakeElement(), {
    __data__: [{ trace: { uid: "c" } }],
    querySelectorAll: () => paths,
  });
  const plot = fakePlot({ ".boxlayer > .trace": [drawn] });
  const stream = { trace, full: { type: "candlestick" }, series: new Series(CANDLE) };
  return { plot, paths, stream };
}

const columnsOf = ({ trace, series }) =>
  Object.fromEntries(["x", ...series.names].map((name) => [name, trace[name].slice()]));

/** Return the plan of a patch that is given these columns. */
const plan = (patch, columns) => patch.plan({}, [0, 1], () => columns);

const UP = { open: 2, high: 6, low: 1, close: 5 };
const DOWN = { open: 5, high: 6, low: 1, close: 2 };

test("the last bar grows, and the others stay", () => {
  const { plot, paths, stream } = volumes([2, 4, 6]);
  const patch = makePatch(plot, stream);
  const columns = columnsOf(stream);
  columns.y[2] = 8;
  plan(patch, columns)();
  assert.deepEqual(
    paths.map((path) => path.getAttribute("d")),
    ["M0,50V40H8V50Z", "M0,50V30H8V50Z", "M0,50V10H8V50Z"],
  );
  assert.equal(stream.trace.y[2], 8); // what is drawn is in Plotly's trace
});

test("all bars move with their axis, and are put back where Plotly drew them", () => {
  const { plot, drawn, stream } = volumes([2, 4]);
  const patch = makePatch(plot, stream);
  patch.plan({}, [0.5, 1.5], () => columnsOf(stream))();
  assert.equal(drawn.getAttribute("transform"), "translate(-50,0) scale(1,1)");
  patch.plan({}, [-1, 1], () => columnsOf(stream))();
  assert.equal(drawn.getAttribute("transform"), "translate(50,0) scale(0.5,1)");
  patch.plan({}, [0, 1], () => columnsOf(stream))();
  assert.equal(drawn.getAttribute("transform"), null);
  patch.plan({}, [0, 2], () => columnsOf(stream))();
  patch.undo();
  assert.equal(drawn.getAttribute("transform"), null);
});

test("a plan draws nothing until it is called", () => {
  const { plot, paths, stream } = volumes([2, 4]);
  const columns = columnsOf(stream);
  columns.y[1] = 5;
  plan(makePatch(plot, stream), columns);
  assert.equal(paths[1].getAttribute("d"), "M0,50V30H8V50Z");
  assert.equal(stream.trace.y[1], 4);
});

test("another bar, a bar that has changed before the last, and one too high are Plotly's", () => {
  const { plot, stream } = volumes([2, 4, 6]);
  const patch = makePatch(plot, stream);
  const more = { x: floats(0, 1, 2, 3), y: floats(2, 4, 6, 1) };
  assert.equal(plan(patch, more), null);
  for (const [name, index, value] of [
    ["y", 1, 5],
    ["x", 2, 2.5],
    ["y", 2, 11],
  ]) {
    const columns = columnsOf(stream);
    columns[name][index] = value;
    assert.equal(plan(patch, columns), null);
  }
});

test("Plotly draws bars on a logarithmic axis", () => {
  const { plot, stream } = volumes([2, 4]);
  assert.equal(makePatch(plot, stream, { ...Y, type: "log" }), null);
});

test("bars that are not drawn as expected are Plotly's", () => {
  const ways = [
    ["M0,50V40H8V50Z", "M0,50L0,30L8,30Z"], // other letters
    ["M0,50V40H8V50Z", "M0,50V20H8V50Z"], // another height
    ["M0,50V40H8V50Z"], // fewer paths than bars
  ];
  for (const d of ways) {
    const { plot, stream } = volumes([2, 4], d);
    assert.equal(makePatch(plot, stream), null);
  }
});

test("a candle keeps its style while it goes the same way", () => {
  const { plot, paths, stream } = candles([DOWN, UP]);
  const columns = columnsOf(stream);
  [columns.close[1], columns.high[1]] = [7, 8];
  plan(makePatch(plot, stream), columns)();
  assert.equal(paths[1].getAttribute("d"), candlePath({ ...UP, close: 7, high: 8 }));
  assert.equal(paths[1].getAttribute("style"), "up");
});

test("the last bar of volume has the style of the bars with the direction of its candle", () => {
  const { plot, paths, stream } = volumes([2, 4, 6]);
  const beside = candles([DOWN, UP, UP]);
  stream.trace.marker = { color: floats(-1, 1, 1) };
  for (const [index, style] of ["down", "up", "up"].entries()) {
    paths[index].setAttribute("style", style);
  }
  const patch = makePatch(plot, stream);
  const price = columnsOf(beside.stream);
  const draw = () => {
    const choose = (each) => (each === beside.stream ? price : columnsOf(stream));
    return patch.plan({ ...stream, candles: beside.stream }, [0, 1], choose);
  };
  price.close[2] = 1.5;
  draw()();
  assert.equal(paths[2].getAttribute("style"), "down");
  assert.deepEqual([...stream.trace.marker.color], [-1, 1, -1]);
  price.close[2] = 6;
  draw()();
  assert.equal(paths[2].getAttribute("style"), "up");
  price.close[2] = NaN; // no candle: no bar has the grey to take
  assert.equal(draw(), null);
});

test("a candle that turns takes the style of one that went its way", () => {
  const { plot, paths, stream } = candles([DOWN, UP, UP]);
  const columns = columnsOf(stream);
  [columns.close[2], columns.low[2]] = [1.5, 1];
  plan(makePatch(plot, stream), columns)();
  assert.equal(paths[2].getAttribute("style"), "down");
});

test("a candle that turns as the first of its way is Plotly's", () => {
  const { plot, stream } = candles([UP, UP]);
  const columns = columnsOf(stream);
  columns.close[1] = 1.5;
  assert.equal(plan(makePatch(plot, stream), columns), null);
});

test("a bar of prices has its four heights", () => {
  const path = (close) => `M1,40H5M5,20V45M5,${50 - 5 * close}H9`;
  const bar = { x: floats(0), open: floats(2), high: floats(6), low: floats(1), close: floats(5) };
  const paths = [new FakeElement({ d: path(5), style: "up" })];
  const drawn = Object.assign(new FakeElement(), {
    __data__: [{ trace: { uid: "o" } }],
    querySelectorAll: () => paths,
  });
  const plot = fakePlot({ ".ohlclayer > .trace": [drawn] });
  const stream = {
    trace: { uid: "o", ...bar },
    full: { type: "ohlc" },
    series: new Series(CANDLE),
  };
  const columns = columnsOf(stream);
  columns.close[0] = 4;
  plan(makePatch(plot, stream), columns)();
  assert.equal(paths[0].getAttribute("d"), path(4));
});
