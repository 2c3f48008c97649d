/** The newest values in the legend and at the right edge. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { makeNewestLabels, writeLegend } from "../../../tickerkit/chart/figure/newest_values.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";

const DRAWN = {
  xaxis: { type: "linear", _length: 700, _offset: 50 },
  yaxis: { type: "linear", _length: 300, _offset: 20, range: [0, 10] },
};
const SHOWN = new Map([["x", { range: [0, 10] }]]);

/** Return a figure with one stream of two points. */
function figureOf(trace = {}, y = [1, 5], axis = {}) {
  const data = [{ uid: "a", type: "scatter", line: { color: "red" }, ...trace }];
  const drawn = { ...DRAWN, yaxis: { ...DRAWN.yaxis, ...axis } };
  const figure = plotOf({ data, drawn });
  return { ...figure, streams: [streamOf(figure, 0, { x: [1, 2], y })] };
}

test("a label stands right of the plot, at the height of its value", () => {
  const { streams, axes } = figureOf();
  assert.deepEqual(makeNewestLabels(streams, axes, SHOWN), [
    { key: "a", text: "5.00", color: "red", x: 50 + 700 + 3, y: 20 + 150 },
  ]);
});

test("a label has the suffix of its axis, and on a logarithmic axis its place", () => {
  const { streams, axes } = figureOf({}, [1, 10], { type: "log", range: [0, 2], ticksuffix: " %" });
  const [{ text, y }] = makeNewestLabels(streams, axes, SHOWN);
  assert.deepEqual([text, y], ["10.00 %", 170]);
});

test("a value that is not visible, not a number, or a bar's has no label", () => {
  const labels = ({ streams, axes }, places = SHOWN) => makeNewestLabels(streams, axes, places);
  assert.deepEqual(labels(figureOf({}, [1, 11])), []);
  assert.deepEqual(labels(figureOf({}, [1, NaN])), []);
  assert.deepEqual(labels(figureOf({ type: "bar" })), []);
  assert.deepEqual(labels(figureOf(), new Map([["x", { range: [0, 1.5] }]])), []);
  assert.deepEqual(labels(figureOf(), new Map([["x", null]])), []);
});

test("a candle that has fallen has the colour of falling", () => {
  const color = (close) => {
    const data = [
      {
        uid: "c",
        type: "candlestick",
        increasing: { line: { color: "green" } },
        decreasing: { line: { color: "red" } },
      },
    ];
    const figure = plotOf({ data, drawn: DRAWN });
    const columns = { x: [1], open: [5], high: [9], low: [1], close: [close] };
    const streams = [streamOf(figure, 0, columns)];
    return makeNewestLabels(streams, figure.axes, SHOWN)[0].color;
  };
  assert.deepEqual([color(6), color(4)], ["green", "red"]);
});

test("the legend has a trace's name and newest value, and hovering shows the name alone", () => {
  const { plot, streams, axes } = figureOf({ name: "AAPL" });
  const data = [{ uid: "a", name: "AAPL" }];
  writeLegend(plot, streams, axes, data);
  assert.equal(plot.data[0].name, '<span style="color:red">AAPL 5.00</span>');
  assert.equal(plot.data[0].hovertemplate, "(%{x}, %{y})<extra>AAPL</extra>");
  plot._fullLayout.hovermode = "x unified";
  writeLegend(plot, streams, axes, data);
  assert.equal(plot.data[0].hovertemplate, "%{y}<extra>AAPL</extra>");
});

test("a trace without a name, hidden from the legend, or with a text to hover is left so", () => {
  const unnamed = figureOf();
  writeLegend(unnamed.plot, unnamed.streams, unnamed.axes, [{ uid: "a" }]);
  assert.equal(unnamed.plot.data[0].name, undefined);
  const hidden = figureOf({ name: "A", showlegend: false });
  writeLegend(hidden.plot, hidden.streams, hidden.axes, [{ uid: "a", name: "A" }]);
  assert.equal(hidden.plot.data[0].name, "A");
  const own = figureOf({ name: "A" });
  const data = [{ uid: "a", name: "A", hovertemplate: "own" }];
  writeLegend(own.plot, own.streams, own.axes, data);
  assert.equal(own.plot.data[0].hovertemplate, undefined);
});
