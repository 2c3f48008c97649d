/** spark: a trend fits its box, and gaps in it are left out. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { placePoints } from "../../../tickerkit/chart/desk/spark.js";

test("the highest value is at the top, and the newest at the right", () => {
  const { points, base } = placePoints([1, 3, 2], 63, 26);
  assert.deepEqual(points, [
    [0, 23],
    [30, 3],
    [60, 13],
  ]);
  assert.equal(base, 23);
});

test("values that never moved are a line through the middle", () => {
  assert.deepEqual(
    placePoints([5, 5], 23, 26).points.map(([, y]) => y),
    [13, 13],
  );
});

test("parts without a value take their room, and one value alone is no line", () => {
  assert.deepEqual(
    placePoints([1, null, 2], 63, 26).points.map(([x]) => x),
    [0, 60],
  );
  assert.deepEqual(placePoints([null, 4, null], 63, 26).points, []);
});
