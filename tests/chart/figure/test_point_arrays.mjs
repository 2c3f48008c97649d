/** Properties that are arrays, a value for each point. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { choosePointArrays } from "../../../tickerkit/chart/figure/point_arrays.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";
import { array } from "../../helpers/seeded.mjs";

test("each point that is drawn has its own values; later points look like the last one", () => {
  const own = { marker: { size: Float64Array.of(1, 2, 3), color: "red" }, text: ["a", "b", "c"] };
  const trace = { marker: { size: [9], color: "red" } };
  choosePointArrays(trace, own, () => [0, 2, 3]);
  assert.deepEqual(trace, { marker: { size: [1, 3, 3], color: "red" }, text: ["a", "c", null] });
});

test("positions are not looked for where no property is an array", () => {
  choosePointArrays({}, { text: "abc" }, () => assert.fail());
});

test("arrays of thinned markers and of combined bars are those of the points drawn", () => {
  const sizes = array(50_000, (i) => i);
  const data = [{ type: "scatter", mode: "markers" }, { type: "bar" }];
  const figure = plotOf({ data });
  for (const index of [0, 1]) {
    const stream = streamOf(figure, index, { x: sizes, y: array(50_000, Math.sin) });
    const isThinned = figure.points.fill(stream, { range: [100, 40_000] }, false, {
      marker: { size: sizes },
    });
    assert.ok(isThinned);
    assert.deepEqual(figure.plot.data[index].marker.size, [...figure.plot.data[index].x]);
  }
});

test("a stretch that is not thinned has the values of its points", () => {
  const sizes = array(1000, (i) => i);
  const figure = plotOf({ data: [{ type: "scatter", mode: "markers" }] });
  const stream = streamOf(figure, 0, { x: sizes, y: sizes });
  figure.points.fill(stream, { range: [10, 14] }, false, { marker: { size: sizes } });
  assert.deepEqual(figure.plot.data[0].marker.size, [9, 10, 11, 12, 13, 14, 15]);
});
