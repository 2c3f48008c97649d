/** The axes of a plot: which belong together, and how data and ranges translate. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { plotOf } from "../../helpers/plots.mjs";

test("axes that match another one move with it, also through several", () => {
  const layout = { xaxis2: { matches: "x" }, xaxis3: { matches: "x2" } };
  const { axes } = plotOf({ layout });
  assert.deepEqual(
    ["x", "x2", "x3", "x4"].map((id) => axes.findRoot(id)),
    ["x", "x", "x", "x4"],
  );
  const streams = ["x3", "x", "x4"].map((x) => ({ x, root: axes.findRoot(x) }));
  assert.deepEqual(
    axes.groups(streams),
    new Map([
      ["x", new Set(["x", "x3"])],
      ["x4", new Set(["x4"])],
    ]),
  );
});

test("axes that match each other in a circle have a root", () => {
  const { axes } = plotOf({ layout: { xaxis: { matches: "x2" }, xaxis2: { matches: "x" } } });
  assert.ok(["x", "x2"].includes(axes.findRoot("x")));
});

test("an axis of a group whose range is set fixes the group", () => {
  const layout = { xaxis2: { range: [0, 1] } };
  const { axes } = plotOf({ layout });
  assert.equal(axes.fixed(["x", "x2"]), layout.xaxis2);
  assert.equal(axes.fixed(["x", "x3"]), undefined);
});

test("a range translates to data, in order, and of a logarithmic axis to powers", () => {
  const { axes } = plotOf({ drawn: { xaxis2: { type: "log" } } });
  assert.deepEqual(axes.toData("x", [5, 3]), [3, 5]);
  assert.deepEqual(axes.toData("x2", [0, 2]), [1, 100]);
});

test("data translate to a range; those below zero end a logarithmic axis after six decades", () => {
  const { axes } = plotOf({ drawn: { xaxis2: { type: "log" } } });
  assert.deepEqual(axes.toRange("x", [-5, 3]), [-5, 3]);
  assert.deepEqual(axes.toRange("x2", [1, 100]), [0, 2]);
  assert.deepEqual(axes.toRange("x2", [-1, 100]), [-4, 2]);
  assert.deepEqual(axes.toRange("x2", [0, 100]), [-4, 2]);
  assert.ok(!axes.toRange("x2", [-2, -1]).every(Number.isFinite));
});

test("there is room for a bar on each two pixels, and for a hundred at least", () => {
  const { axes } = plotOf({ drawn: { xaxis2: { _length: 40 } } });
  assert.deepEqual(
    ["x", "x2", "x3"].map((id) => axes.maxBars(id)),
    [350, 100, 350],
  );
});

test("a range is set in Plotly's layout, of a reversed axis from right to left", () => {
  const { axes, plot } = plotOf({ layout: { xaxis2: { autorange: "reversed" } } });
  axes.setRange("x", [0, 1]);
  axes.setRange("x2", [0, 1]);
  assert.deepEqual(plot.layout.xaxis, { range: [0, 1], autorange: false });
  assert.deepEqual(plot.layout.xaxis2, { range: [1, 0], autorange: false });
  axes.clearRange("x");
  assert.deepEqual(plot.layout.xaxis, { range: undefined, autorange: true });
});
