/** Which traces are drawn on the canvas, and where. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseCanvasColor } from "../../../tickerkit/chart/figure/canvas_layer.js";
import { CanvasPatch, readLook } from "../../../tickerkit/chart/figure/canvas_traces.js";
import { FakeCanvas, FakeElement, fakePlot } from "../../helpers/elements.mjs";

const X = { type: "linear", _length: 100, _offset: 0 };
const Y = { type: "linear", _length: 50, _offset: 0, range: [0, 10] };
const LINE = { type: "scatter", mode: "lines", line: { color: "red", width: 2 } };
const MARKERS = { mode: "markers", marker: { color: "red", size: 4, symbol: "circle" } };

const floats = (...values) => Float64Array.from(values);

/** Return a plot in which Plotly has drawn lines with these uids. */
function plotOf(...uids) {
  const groups = uids.map((uid) => {
    return Object.assign(new FakeElement(), { __data__: [{ trace: { uid } }] });
  });
  return fakePlot({ ".scatterlayer > .trace": groups });
}

/** Draw a trace; return the ends of its ink: left, top, right and bottom, or null without ink. */
function draw(full, x, y, { yaxis = Y, range = [0, 100], isLive = true } = {}) {
  const plot = plotOf("a");
  const canvas = new FakeCanvas(100, 50);
  const stream = { trace: { uid: "a" }, full: { ...LINE, ...full } };
  const patch = CanvasPatch.create(plot, stream, { x: X, y: yaxis, isLive }, canvas);
  const plan = patch.plan(stream, range, () => ({ x, y }));
  plan?.();
  return plan && canvas.inked();
}

test("a line goes through its points", () => {
  assert.deepEqual(draw({}, floats(0, 50), floats(5, 5)), [0, 24, 49, 25]);
  assert.deepEqual(draw({}, floats(0, 50), floats(5, 5), { range: [-50, 50] }), [50, 24, 99, 25]);
});

test("a step is one line across and one up or down", () => {
  const corners = (shape) => {
    const plot = plotOf("a");
    const canvas = new FakeCanvas(100, 50);
    const stream = { trace: { uid: "a" }, full: { ...LINE, line: { ...LINE.line, shape } } };
    const patch = CanvasPatch.create(plot, stream, { x: X, y: Y, isLive: true }, canvas);
    patch.plan(stream, [0, 100], () => ({ x: floats(0, 50), y: floats(2, 8) }))();
    return [10, 25, 40].map((column) => canvas.height(column));
  };
  assert.deepEqual(corners("linear"), [34, 25, 16]);
  assert.deepEqual(corners("hv"), [40, 40, 40]);
  assert.deepEqual(corners("vh"), [10, 10, 10]);
  assert.deepEqual(corners("hvh"), [40, 25, 10]);
  assert.deepEqual(corners("vhv"), [25, 25, 25]);
});

test("a dashed line has gaps", () => {
  const plot = plotOf("a");
  const canvas = new FakeCanvas(100, 50);
  const full = { ...LINE, line: { ...LINE.line, dash: "10px,5px" } };
  const stream = { trace: { uid: "a" }, full };
  const patch = CanvasPatch.create(plot, stream, { x: X, y: Y, isLive: true }, canvas);
  patch.plan(stream, [0, 100], () => ({ x: floats(0, 100), y: floats(5, 5) }))();
  const drawn = [5, 12, 16, 24, 27, 31].map((column) => canvas.height(column));
  assert.deepEqual(drawn, [25, NaN, 25, 25, NaN, 25]);
});

test("an area reaches down to zero", () => {
  const full = { fill: "tozeroy", fillcolor: "red", line: { width: 0 } };
  assert.deepEqual(draw(full, floats(0, 50), floats(5, 5)), [0, 25, 49, 49]);
});

test("markers lie around their points", () => {
  assert.deepEqual(draw(MARKERS, floats(50), floats(5)), [48, 23, 51, 26]);
});

test("on a logarithmic axis, a line goes far down to values of zero or below", () => {
  const yaxis = { ...Y, type: "log", range: [0, 2] };
  for (const isLive of [true, false]) {
    const options = { yaxis, isLive };
    assert.deepEqual(draw({}, floats(0, 50), floats(10, 10), options), [0, 24, 49, 25]);
    for (const value of [0, -1]) {
      const drawn = draw({}, floats(0, 50, 60, 70), floats(10, 10, value, 10), options);
      assert.deepEqual(drawn, [0, 24, 70, 49]);
      assert.deepEqual(draw(MARKERS, floats(50, 60), floats(10, value), options), [48, 23, 51, 26]);
    }
  }
});

test("a line that leaves a live axis is drawn by Plotly", () => {
  for (const y of [floats(0, 10.1), floats(-0.1, 5)]) {
    assert.equal(draw({}, floats(0, 1), y), null);
    assert.ok(draw({}, floats(0, 1), y, { isLive: false }));
  }
  const yaxis = { ...Y, range: [10, 0] };
  assert.equal(draw({}, floats(0, 1), floats(0, 11), { yaxis }), null);
  assert.ok(draw({}, floats(0, 50), floats(1, 2), { yaxis }));
  assert.ok(draw({}, floats(-1, 50), floats(11, 2)), "beside the axis");
  assert.equal(draw({}, floats(0, 1), floats(5, 11), { range: [100, 0] }), null);
});

test("infinite values are gaps, and leave no axis", () => {
  const shape = { line: { ...LINE.line, shape: "hv" } };
  for (const value of [Infinity, -Infinity]) {
    assert.deepEqual(draw(shape, floats(0, 50, 80), floats(5, 5, value)), [0, 24, 49, 25]);
  }
});

test("a uid may be any text, and the lines of other traces stay", () => {
  const uids = ["a", "a.b c/d:1", '"]<b>'];
  const plot = plotOf(...uids);
  const groups = plot.querySelectorAll(".scatterlayer > .trace");
  for (const [place, uid] of uids.entries()) {
    const canvas = new FakeCanvas(100, 50);
    const stream = { trace: { uid }, full: LINE };
    const patch = CanvasPatch.create(plot, stream, { x: X, y: Y, isLive: true }, canvas);
    patch.plan(stream, [0, 100], () => ({ x: floats(0, 50), y: floats(5, 5) }))();
    const hidden = groups.map(({ style }) => style.visibility === "hidden");
    assert.deepEqual(
      hidden,
      groups.map((_, at) => at === place),
    );
    patch.undo();
  }
});

test("the look of a trace is read from what Plotly has filled in", () => {
  const read = (color) => parseCanvasColor(color);
  const full = {
    mode: "lines",
    opacity: 0.5,
    line: { color: "rgba(1, 2, 3, 0.5)", width: 3, shape: "hv", dash: "solid" },
  };
  const color = { red: 1, green: 2, blue: 3, alpha: 0.25 };
  const look = { shape: "hv", line: { width: 3, dashes: [], color }, area: null, markers: null };
  assert.deepEqual(readLook(full, read), look);
  assert.deepEqual(parseCanvasColor("#0a0b0c"), { red: 10, green: 11, blue: 12, alpha: 1 });
});

test("traces of other kinds are drawn by Plotly", () => {
  const marker = MARKERS.marker;
  const kinds = [
    { mode: "lines+text" },
    { mode: "none", fill: "tozeroy" },
    { fill: "tonexty" },
    { line: { ...LINE.line, shape: "spline" } },
    { line: { ...LINE.line, dash: "5%" } },
    { selectedpoints: [] },
    { stackgroup: "one" },
    { error_y: { visible: true } },
    { cliponaxis: false },
    { connectgaps: true },
    { fill: "tozeroy", opacity: 0.5 },
    { mode: "markers", marker: { ...marker, symbol: "star" } },
    { mode: "markers", marker: { ...marker, size: [1, 2] } },
    { mode: "markers", marker: { ...marker, color: [1, 2] } },
    { mode: "markers", marker: { ...marker, line: { width: 1 } } },
    { mode: "markers", marker: { ...marker, gradient: { type: "radial" } } },
  ];
  for (const full of kinds) assert.equal(readLook({ ...LINE, ...full }, parseCanvasColor), null);
  assert.ok(readLook({ ...LINE, ...MARKERS, mode: "lines+markers" }, parseCanvasColor));
});
