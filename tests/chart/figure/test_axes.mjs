/** Which range a live axis shows, and when it moves. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asNumbers,
  makeAxisKey,
  makeColumnEdges,
  followX,
  followY,
  isFixed,
  formatTimeOfDay,
} from "../../../tickerkit/chart/figure/axes.js";
import { Seeded } from "../../helpers/seeded.mjs";

test("an axis' name in a layout follows from its id", () => {
  assert.deepEqual(["x", "x2", "y13"].map(makeAxisKey), ["xaxis", "xaxis2", "yaxis13"]);
});

test("an axis is fixed if it has both ends and does not range by itself", () => {
  assert.ok(isFixed({ range: [0, 1] }));
  assert.ok(isFixed({ range: ["2026-01-01", "2026-01-02"], autorange: false }));
  for (const axis of [null, undefined, {}, { range: [0, null] }, { range: [undefined, 1] }]) {
    assert.ok(!isFixed(axis));
  }
  assert.ok(!isFixed({ range: [0, 1], autorange: true }));
  assert.ok(!isFixed({ range: [0, 1], autorange: "reversed" }));
});

test("a range of dates becomes milliseconds of UTC, whatever its form", () => {
  const noon = Date.UTC(2026, 10, 23, 12);
  for (const text of ["2026-11-23 12:00", "2026-11-23T12:00:00", "2026-11-23T12:00:00.000Z"]) {
    assert.deepEqual(asNumbers([text, noon], "date"), [noon, noon]);
  }
  assert.deepEqual(asNumbers(["2026", "2026-11"], "date"), [
    Date.UTC(2026, 0, 1),
    Date.UTC(2026, 10, 1),
  ]);
  const [fraction] = asNumbers(["2026-11-23 12:00:00.1234", noon], "date");
  assert.ok(Math.abs(fraction - noon - 123.4) < 1e-3);
});

test("a range of numbers stays, and no range is null", () => {
  assert.deepEqual(asNumbers(["1", 2.5], "linear"), [1, 2.5]);
  assert.equal(asNumbers(undefined, "linear"), null);
  assert.equal(asNumbers(null, "date"), null);
});

test("while the window fills, the range of x runs ahead in steps", () => {
  let place = followX(null, [0, 100]);
  assert.deepEqual(place, { least: 0, range: [0, 101] });
  assert.equal(followX(place, [0, 101]), place); // it stands still
  place = followX(place, [0, 102]);
  assert.deepEqual(place, { least: 0, range: [0, 102 * 1.06] });
});

test("once the window slides, the range of x moves with each draw", () => {
  let place = followX(null, [0, 100]);
  for (let least = 1; least < 5; least++) {
    place = followX(place, [least, least + 100]);
    assert.deepEqual(place, { least, range: [least, least + 101] });
  }
});

test("a range button shows its width up to the newest point", () => {
  const { range } = followX({ least: 0, range: [0, 101] }, [0, 1000], 60);
  assert.deepEqual(range, [940, 1000.6]);
});

test("one point gets a range of x with a width", () => {
  const { range } = followX(null, [5, 5]);
  assert.ok(range[0] < range[1]);
});

test("the range of y holds the data with headroom, and stays while they fit", () => {
  const range = followY(null, [10, 20], false);
  assert.deepEqual(range, [10 - 0.8, 20 + 0.8]);
  assert.equal(followY(range, [11, 19.5], false), range);
  assert.notEqual(followY(range, [10, 21], false), range);
  assert.notEqual(followY(range, [14, 16], false), range); // they fill too little of it
});

test("the range of y begins at zero where it must, without headroom there", () => {
  assert.deepEqual(followY(null, [50, 100], true), [0, 108]);
  assert.deepEqual(followY(null, [-100, -50], true), [-108, 0]);
  const [bottom, top] = followY(null, [-100, 100], true);
  assert.ok(bottom < -100 && top > 100);
});

test("the range of y always holds the data, of any walk", () => {
  const random = new Seeded(1);
  let range = null;
  let changes = 0;
  for (let step = 0; step < 2000; step++) {
    const least = random.normal(5);
    const extent = [least, least + random.choice([0, random.exponential(10)])];
    const next = followY(range, extent, false);
    assert.ok(next[0] < next[1] && next[0] <= extent[0] && extent[1] <= next[1]);
    changes += next !== range;
    range = next;
  }
  assert.ok(changes < 2000);
});

test("column edges divide a range evenly; those of a logarithmic axis by ratios", () => {
  assert.deepEqual([...makeColumnEdges([0, 10], 5, "linear")], [0, 2, 4, 6, 8, 10]);
  assert.deepEqual([...makeColumnEdges([0, 3], 3, "log")], [1, 10, 100, 1000]);
  assert.equal(makeColumnEdges([0, 1], 0, "linear").length, 2);
});

test("the range of y has the smallest height around flat data, and stays while they fit", () => {
  const [bottom, top] = followY(null, [0.52, 0.52], false, 0.04);
  assert.ok(bottom < 0.5 && 0.54 < top && top - bottom < 0.05);
  assert.deepEqual(followY([bottom, top], [0.51, 0.53], false, 0.04), [bottom, top]);
  assert.deepEqual(followY(null, [10, 20], false, 0.04), followY(null, [10, 20], false));
});

test("a time of day is that of UTC", () => {
  assert.equal(formatTimeOfDay(Date.UTC(2026, 10, 23, 9, 5, 7, 999)), "09:05:07");
});
