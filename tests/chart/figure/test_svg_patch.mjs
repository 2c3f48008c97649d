/** Draws between two draws by Plotly: all streams move, or nothing does. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Series } from "../../../tickerkit/chart/figure/series.js";
import { SvgPatch } from "../../../tickerkit/chart/figure/svg_patch.js";
import { FakeElement, fakePlot } from "../../helpers/elements.mjs";

const AXES = {
  x: { type: "linear", _length: 100 },
  y: { type: "linear", _length: 50, range: [0, 10] },
};
const GRID = [".gridlayer > .x", ".minor-gridlayer > .x", ".xaxislayer-above", ".xaxislayer-below"];

/** Return a plot with lines a, b, ..., their streams, and what can draw them. */
function patched({ count = 1, layout = {}, others = [] } = {}) {
  const uids = [..."abc"].slice(0, count);
  const paths = uids.map(() => new FakeElement({ d: "M0,0" }));
  const grid = new FakeElement();
  const found = { [GRID.join()]: [grid] };
  for (const [i, uid] of uids.entries()) {
    found[`.scatterlayer .trace${uid} path.js-line`] = [paths[i]];
  }
  const full = uids.map(() => ({ type: "scatter", mode: "lines", visible: true }));
  const plot = fakePlot(found, { _fullData: [...full, ...others], _fullLayout: layout });
  const streams = uids.map((uid, i) => ({
    trace: { uid },
    full: full[i],
    series: new Series(["y"]),
    x: "x",
    y: "y",
    root: "x",
  }));
  const ranges = new Map([["x", { range: [0, 100] }]]);
  const groups = new Map([["x", new Set(["x"])]]);
  const patch = SvgPatch.create(plot, streams, (id) => AXES[id], ranges, groups);
  return { patch, streams, paths, grid };
}

const at = (...range) => new Map([["x", { range }]]);
const points = (y) => () => ({ x: Float64Array.of(50), y: Float64Array.of(y) });

test("a draw sets the line and shifts its axis", () => {
  const { patch, streams, paths, grid } = patched();
  assert.ok(patch.draw(streams, at(10, 110), points(5)));
  assert.equal(paths[0].getAttribute("d"), "M40,25");
  assert.equal(grid.getAttribute("transform"), "translate(-10,0)");
});

test("an axis that does not move is not touched", () => {
  const { patch, streams, grid } = patched();
  assert.ok(patch.draw(streams, at(0, 100), points(5)));
  assert.equal(grid.getAttribute("transform"), null);
});

test("undoing puts a shifted axis back where Plotly drew it", () => {
  const { patch, streams, grid } = patched();
  patch.draw(streams, at(10, 110), points(5));
  patch.undo();
  assert.equal(grid.getAttribute("transform"), null);
});

test("an axis that has moved too far, or changed its width, is Plotly's", () => {
  const { patch, streams, paths } = patched();
  assert.ok(!patch.draw(streams, at(41, 141), points(5)));
  assert.ok(!patch.draw(streams, at(0, 101), points(5)));
  assert.ok(!patch.draw(streams, new Map(), points(5)));
  assert.ok(!patch.draw(streams, new Map([["x", null]]), points(5)));
  assert.equal(paths[0].getAttribute("d"), "M0,0");
});

test("if one of the streams is Plotly's, none of them is drawn", () => {
  const { patch, streams, paths } = patched({ count: 2 });
  const values = new Map([
    [streams[0], 5],
    [streams[1], 11],
  ]);
  const draw = (stream) => points(values.get(stream))();
  assert.ok(!patch.draw(streams, at(1, 101), draw));
  assert.equal(paths[0].getAttribute("d"), "M0,0");
  assert.ok(!patch.draw(streams.slice(0, 1), at(1, 101), draw));
});

test("there is no patch for a figure with anything but its visible streams", () => {
  assert.ok(patched().patch);
  assert.ok(patched({ others: [{ visible: "legendonly" }] }).patch);
  assert.equal(patched({ count: 0 }).patch, null);
  assert.equal(patched({ others: [{ visible: true }] }).patch, null);
  for (const name of ["shapes", "annotations", "images"]) {
    assert.equal(patched({ layout: { [name]: [{}] } }).patch, null);
    assert.ok(patched({ layout: { [name]: [] } }).patch);
  }
});
