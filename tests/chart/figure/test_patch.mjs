/** Draws between two draws by Plotly: all streams move, or nothing does. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Patch } from "../../../tickerkit/chart/figure/patch.js";
import { PlotAxes } from "../../../tickerkit/chart/figure/plot_axes.js";
import { FakeCanvas, FakeElement, fakePlot } from "../../helpers/elements.mjs";

const AXES = {
  xaxis: { type: "linear", _length: 100, _offset: 0 },
  yaxis: { type: "linear", _length: 50, _offset: 0, range: [0, 10] },
};
const LINE = { type: "scatter", mode: "lines", line: { color: "red" }, visible: true };

/** Return a plot with lines a, b, ..., their streams, and what can draw them. */
function patched({ count = 1, layout = {}, drawn = {}, others = [], hasCanvas = true } = {}) {
  const uids = [..."abc"].slice(0, count);
  const groups = uids.map((uid) => {
    return Object.assign(new FakeElement(), { __data__: [{ trace: { uid } }] });
  });
  const found = { ".scatterlayer > .trace": groups };
  const full = uids.map(() => ({ ...LINE }));
  const plot = fakePlot(found, {
    _fullData: [...full, ...others],
    _fullLayout: { ...AXES, _subplots: { cartesian: ["xy"] }, ...drawn },
  });
  const streams = uids.map((uid, i) => ({
    trace: { uid },
    series: { length: 2 },
    full: full[i],
    x: "x",
    y: "y",
    root: "x",
  }));
  const axes = new PlotAxes(plot, () => layout);
  const canvas = new FakeCanvas(100, 50);
  const getCanvas = () => (hasCanvas ? canvas : null);
  const create = (get = getCanvas) => Patch.create(plot, streams, axes, at(0, 100), get);
  return { patch: create(), streams, groups, canvas, create };
}

const at = (...range) => new Map([["x", { range }]]);
const level = (height) => () => ({ x: Float64Array.of(0, 50), y: Float64Array.of(height, height) });

test("a draw shows the line on the canvas, in place of Plotly's", () => {
  const { patch, streams, groups, canvas } = patched();
  assert.ok(patch.draw(streams, at(0, 100), level(5)));
  assert.deepEqual(canvas.inked(), [0, 24, 49, 25]); // from, top, to, bottom
  assert.equal(groups[0].style.visibility, "hidden");
  patch.undo();
  assert.equal(groups[0].style.visibility, "");
  assert.equal(canvas.isShown, false);
});

test("the line moves with the range of its axis, however far", () => {
  const { patch, streams, canvas } = patched();
  assert.ok(patch.draw(streams, at(-100, 300), level(5)));
  assert.deepEqual(canvas.inked(), [25, 24, 37, 25]);
});

test("Plotly draws streams on an axis without a range", () => {
  const { patch, streams, canvas } = patched();
  assert.ok(!patch.draw(streams, new Map(), level(5)));
  assert.ok(!patch.draw(streams, new Map([["x", null]]), level(5)));
  assert.equal(canvas.inked(), null);
});

test("nothing is drawn if Plotly has to draw one of the streams", () => {
  const { patch, streams, canvas } = patched({ count: 2 });
  const heights = new Map([
    [streams[0], 5],
    [streams[1], 11],
  ]);
  const choose = (stream) => level(heights.get(stream))();
  assert.ok(!patch.draw(streams, at(1, 101), choose));
  assert.equal(canvas.inked(), null);
  assert.ok(!patch.draw(streams.slice(0, 1), at(1, 101), choose));
});

test("a line may leave an axis whose range the user has set", () => {
  const layout = { yaxis: { range: [0, 10] } };
  const { patch, streams, canvas } = patched({ layout });
  assert.ok(patch.draw(streams, at(0, 100), level(11)));
  assert.equal(canvas.inked(), null);
});

test("there is no patch for a figure with anything but its visible streams", () => {
  assert.ok(patched().patch);
  assert.ok(patched({ others: [{ visible: "legendonly" }] }).patch);
  assert.equal(patched({ count: 0 }).patch, null);
  assert.equal(patched({ others: [{ visible: true }] }).patch, null);
  assert.equal(patched({ hasCanvas: false }).patch, null);
  for (const name of ["annotations", "images"]) {
    assert.equal(patched({ drawn: { [name]: [{}] } }).patch, null);
    assert.ok(patched({ drawn: { [name]: [] } }).patch);
  }
  const shape = { xref: "x", xsizemode: "scaled", label: { text: "" } };
  assert.ok(patched({ drawn: { shapes: [shape] } }).patch);
  for (const other of [{ xsizemode: "pixel" }, { label: { text: "a" } }, { xref: ["x", "x2"] }]) {
    assert.equal(patched({ drawn: { shapes: [shape, { ...shape, ...other }] } }).patch, null);
  }
});

test("a stream without points does not count, until it has some", () => {
  const { streams, canvas, create } = patched({ count: 2 });
  const [, { series, full }] = streams;
  [series.length, full.visible] = [0, false];
  const patch = create();
  assert.ok(patch.draw(streams, at(0, 100), level(5)));
  assert.deepEqual(canvas.inked(), [0, 24, 49, 25]);
  series.length = 1;
  assert.equal(patch.draw(streams, at(0, 100), level(5)), false);
});

test("axes of other kinds are drawn by Plotly", () => {
  const { xaxis, yaxis } = AXES;
  const kinds = [
    { xaxis: { ...xaxis, type: "log" } },
    { xaxis: { ...xaxis, type: "category" } },
    { xaxis: { ...xaxis, _length: 0 } },
    { xaxis: { ...xaxis, autorange: "reversed" } },
    { xaxis: { ...xaxis, rangeslider: { visible: true } } },
    { xaxis: { ...xaxis, rangebreaks: [{}] } },
    { yaxis: { ...yaxis, type: "category" } },
  ];
  for (const drawn of kinds) assert.equal(patched({ drawn }).patch, null);
  assert.ok(patched({ drawn: { xaxis: { ...xaxis, type: "date" } } }).patch);
  assert.ok(patched({ drawn: { yaxis: { ...yaxis, type: "log" } } }).patch);
});

/** Draw two lines one over the other; return the colour of their pixels. */
function drawTwo(subplots, plots) {
  const drawn = { yaxis2: AXES.yaxis, _subplots: { cartesian: subplots }, _plots: plots };
  const { streams, canvas, create } = patched({ count: 2, drawn });
  streams[1].y = "y2";
  canvas.readColor = (color) => ({ red: 0, green: 0, blue: 0, alpha: 1, [color]: 255 });
  streams[1].full.line = { color: "blue" };
  create().draw(streams, at(0, 100), level(5));
  const pixel = 4 * (24 * 100 + 10);
  return [...canvas.raster.bytes.slice(pixel, pixel + 3)];
}

test("a subplot that overlays another is drawn later, whichever is named first", () => {
  const subplots = ["xy", "xy2"];
  assert.deepEqual(drawTwo(subplots, { xy: {}, xy2: { mainplot: "xy" } }), [0, 0, 255]);
  assert.deepEqual(drawTwo(subplots, { xy: { mainplot: "xy2" }, xy2: {} }), [255, 0, 0]);
});

test("bars above a line are drawn by Plotly, because the canvas is above all bars", () => {
  const create = (plots) => {
    const drawn = { yaxis2: AXES.yaxis, _subplots: { cartesian: ["xy", "xy2"] }, _plots: plots };
    const { streams, create } = patched({ count: 2, drawn });
    Object.assign(streams[1], { y: "y2", full: { type: "heatmap" } });
    let hasAsked = false;
    create(() => {
      hasAsked = true;
      return null;
    });
    return hasAsked;
  };
  assert.equal(create({ xy: {}, xy2: { mainplot: "xy" } }), false);
  assert.equal(create({ xy: { mainplot: "xy2" }, xy2: {} }), true);
  assert.equal(create({ xy: {}, xy2: {} }), true);
});
