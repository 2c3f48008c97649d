/** The newest values in the legend and at the right edge. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  chooseInk,
  makeNewestLabels,
  writeLegend,
} from "../../../tickerkit/chart/figure/newest_values.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";

const DRAWN = {
  xaxis: { type: "linear", _length: 700, _offset: 50 },
  yaxis: { type: "linear", _length: 300, _offset: 20, range: [0, 10] },
};
const SHOWN = new Map([["x", { range: [0, 10] }]]);

/** Return a figure with one stream of two points. */
function figureOf(trace = {}, y = [1, 5], axis = {}) {
  const data = [{ uid: "a", type: "scatter", line: { color: "#2b7fd4" }, ...trace }];
  const drawn = { ...DRAWN, yaxis: { ...DRAWN.yaxis, ...axis } };
  const figure = plotOf({ data, drawn });
  return { ...figure, streams: [streamOf(figure, 0, { x: [1, 2], y })] };
}

/** Return the labels of a figure. */
function labelsOf({ plot, streams, axes }, places = SHOWN, data = plot.data) {
  return makeNewestLabels(plot, streams, axes, places, data);
}

test("a label stands right of the plot, at the height of its value", () => {
  assert.deepEqual(labelsOf(figureOf()), [
    {
      key: "a",
      text: "5.00",
      color: "#2b7fd4",
      ink: "#000",
      isInside: false,
      x: 50 + 700 + 3,
      y: 20 + 150,
      area: [20, 320],
    },
  ]);
});

test("the legend of a pane names an indicator of several columns once", () => {
  const names = ["macd(12, 26) line", "macd(12, 26) signal", "rsi"];
  const data = names.map((name, i) => ({ uid: `${i}`, type: "scatter", name, legend: "legend2" }));
  const figure = plotOf({ data, drawn: DRAWN });
  const streams = data.map((_, i) => streamOf(figure, i, { x: [1, 2], y: [1, 4] }));
  writeLegend(figure.plot, streams, figure.axes, structuredClone(data));
  assert.deepEqual(
    streams.map(({ trace }) => trace.name),
    ["macd(12, 26) line 4.00", "signal 4.00", "rsi 4.00"],
  );
  assert.match(streams[1].trace.hovertemplate, /<extra>macd\(12, 26\) signal</);
});

test("lines that the legend names together have one label", () => {
  const shared = { type: "scatter", legendgroup: "bbands" };
  const data = [
    { uid: "upper", ...shared, showlegend: false },
    { uid: "middle", ...shared, showlegend: true },
    { uid: "alone", type: "scatter", legendgroup: "rsi", showlegend: false },
  ];
  const figure = plotOf({ data, drawn: DRAWN });
  const streams = data.map((_, i) => streamOf(figure, i, { x: [1, 2], y: [1, 4] }));
  const keys = labelsOf({ ...figure, streams }).map(({ key }) => key);
  assert.deepEqual(keys, ["middle", "alone"]);
});

test("labels have the names of their traces in a pane of many, and only there", () => {
  const data = Array.from({ length: 6 }, (_, i) => ({
    uid: `${i}`,
    type: "scatter",
    name: `n${i}`,
    yaxis: i ? "y" : "y2",
  }));
  const yaxis2 = { ...DRAWN.yaxis, _offset: 340, _length: 50 };
  const figure = plotOf({ data, drawn: { ...DRAWN, yaxis2 } });
  const streams = data.map((_, i) => streamOf(figure, i, { x: [1, 2], y: [1, i] }));
  const texts = labelsOf({ ...figure, streams }).map(({ text }) => text);
  assert.deepEqual(texts.slice(0, 2), ["0.00", "n1 1.00"]);
});

test("a label has the suffix of its axis, and on a logarithmic axis its place", () => {
  const figure = figureOf({}, [1, 10], { type: "log", range: [0, 2], ticksuffix: " %" });
  const [{ text, y }] = labelsOf(figure);
  assert.deepEqual([text, y], ["10.00 %", 170]);
});

test("the label of a stacked area is where Plotly draws it, and says its own value", () => {
  const data = ["a", "b"].map((uid) => ({ uid, type: "scatter", stackgroup: "1" }));
  const figure = plotOf({ data, drawn: DRAWN });
  const streams = data.map((_, i) => streamOf(figure, i, { x: [1, 2], y: [1, 4] }));
  const labels = labelsOf({ ...figure, streams });
  assert.deepEqual(
    labels.map(({ text, y }) => [text, y]),
    [
      ["4.00", 20 + 180],
      ["4.00", 20 + 60],
    ],
  );
  for (const { full } of streams) full.groupnorm = "percent";
  assert.deepEqual(labelsOf({ ...figure, streams }), []);
});

test("a value that is not visible, not a number, or a bar's has no label", () => {
  assert.deepEqual(labelsOf(figureOf({}, [1, 11])), []);
  assert.deepEqual(labelsOf(figureOf({}, [1, NaN])), []);
  assert.deepEqual(labelsOf(figureOf({ type: "bar" })), []);
  assert.deepEqual(labelsOf(figureOf(), new Map([["x", { range: [0, 1.5] }]])), []);
  assert.deepEqual(labelsOf(figureOf(), new Map([["x", { range: [3, 4] }]])), []);
  assert.deepEqual(labelsOf(figureOf(), new Map([["x", null]])), []);
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
    return labelsOf({ ...figure, streams: [streamOf(figure, 0, columns)] })[0].color;
  };
  assert.deepEqual([color(6), color(4)], ["green", "red"]);
});

test("a label has the decimals of the trace's or the axis' format, with its sign", () => {
  const text = (trace, axis = {}) => labelsOf(figureOf(trace, [1, 5.1494], axis))[0].text;
  assert.equal(text({ yhoverformat: "+,.2f" }), "+5.15");
  assert.equal(text({ yhoverformat: ",.5f" }, { tickformat: ".1f" }), "5.14940");
  assert.equal(text({}, { tickformat: ".1f" }), "5.1");
});

test("without a format the decimals are those of the values so far", () => {
  const text = (y) => labelsOf(figureOf({}, y, { range: [0, 1e9] }))[0].text;
  assert.equal(text([1.1095, 1.11]), "1.1100");
  assert.equal(text([0.0000123, 0.00001]), "0.0000100");
  assert.equal(text([65_432.12, 65_432]), "65,432.00");
  assert.equal(text([1, 187.2533333]), "187.25");
});

test("many labels have the names of their traces, as text and cut", () => {
  const names = ["AAPL", "&lt;b>", "<b>BRK.B</b>", "&amp;lt;", "A name that is too long"];
  const data = names.map((name, index) => ({ uid: String(index), type: "scatter", name }));
  const figure = plotOf({ data, drawn: DRAWN });
  const streams = names.map((_, index) => streamOf(figure, index, { x: [1, 2], y: [1, 5] }));
  assert.deepEqual(
    labelsOf({ ...figure, streams }).map(({ text }) => text),
    ["AAPL 5.00", "<b> 5.00", "BRK.B 5.00", "&lt; 5.00", "A name that… 5.00"],
  );
  assert.deepEqual(
    labelsOf({ ...figure, streams: streams.slice(0, 4) }).map(({ text }) => text),
    ["5.00", "5.00", "5.00", "5.00"],
  );
});

test("a label is inside of the plot where an axis or the legend is on the right", () => {
  const place = (layout) => {
    const figure = figureOf();
    Object.assign(figure.plot._fullLayout, layout);
    const [{ isInside, x }] = labelsOf(figure);
    return [isInside, x];
  };
  assert.deepEqual(place({}), [false, 753]);
  assert.deepEqual(place({ yaxis2: { side: "right" } }), [true, 747]);
  assert.deepEqual(place({ showlegend: true, legend: { orientation: "v", x: 1.02 } }), [true, 747]);
  assert.deepEqual(place({ showlegend: true, legend: { orientation: "h", x: 0 } }), [false, 753]);
});

test("the text on a colour is black or white, whichever can be read", () => {
  assert.deepEqual(
    ["#ffffff", "#000000", "#2b7fd4", "#7440d0", "rgb(254, 203, 82)", "rgba(0,0,0,.5)"].map(
      chooseInk,
    ),
    ["#000", "#fff", "#000", "#fff", "#000", "#fff"],
  );
});

test("the legend has a trace's name and newest value, and hovering shows the name alone", () => {
  const { plot, streams, axes } = figureOf({ name: "AAPL" });
  const data = [{ uid: "a", name: "AAPL" }];
  writeLegend(plot, streams, axes, data);
  assert.equal(plot.data[0].name, "AAPL 5.00");
  assert.equal(plot.data[0].hovertemplate, "(%{x}, %{y})<extra>AAPL</extra>");
  plot._fullLayout.hovermode = "x unified";
  writeLegend(plot, streams, axes, data);
  assert.equal(plot.data[0].hovertemplate, "%{y}<extra>AAPL</extra>");
});

test("a trace without a name, with another format, or a text to hover is left so", () => {
  const unnamed = figureOf();
  writeLegend(unnamed.plot, unnamed.streams, unnamed.axes, [{ uid: "a" }]);
  assert.equal(unnamed.plot.data[0].name, undefined);
  const hidden = figureOf({ name: "A", showlegend: false });
  writeLegend(hidden.plot, hidden.streams, hidden.axes, [{ uid: "a", name: "A" }]);
  assert.equal(hidden.plot.data[0].name, "A");
  const volume = figureOf({ name: "A", yhoverformat: ",.8~r" });
  writeLegend(volume.plot, volume.streams, volume.axes, structuredClone(volume.plot.data));
  assert.equal(volume.plot.data[0].name, "A");
  const own = figureOf({ name: "A" });
  const data = [{ uid: "a", name: "A", hovertemplate: "own" }];
  writeLegend(own.plot, own.streams, own.axes, data);
  assert.equal(own.plot.data[0].hovertemplate, undefined);
});
