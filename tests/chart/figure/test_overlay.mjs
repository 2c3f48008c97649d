/** The labels of the newest values do not overlap. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { moveApart } from "../../../tickerkit/chart/figure/overlay.js";
import { Seeded } from "../../helpers/seeded.mjs";

test("labels that are far apart stay where they are, from top to bottom", () => {
  const labels = [
    { key: "a", y: 100 },
    { key: "b", y: 20 },
  ];
  assert.deepEqual(moveApart(labels, 17), [
    { key: "b", y: 20 },
    { key: "a", y: 100 },
  ]);
});

test("labels that would overlap move down, and are given back unchanged otherwise", () => {
  const labels = ["a", "b", "c"].map((key) => ({ key, y: 50 }));
  assert.deepEqual(
    moveApart(labels, 17).map(({ key, y }) => [key, y]),
    [
      ["a", 50],
      ["b", 67],
      ["c", 84],
    ],
  );
  assert.ok(labels.every(({ y }) => y === 50));
});

test("no two labels overlap, wherever the values are", () => {
  const random = new Seeded(4);
  for (let time = 0; time < 100; time++) {
    const labels = Array.from({ length: 12 }, (_, key) => ({ key, y: random.uniform(0, 300) }));
    const placed = moveApart(labels, 17);
    assert.equal(placed.length, 12);
    for (const [i, { key, y }] of placed.entries()) {
      assert.ok(y >= labels[key].y);
      if (i) assert.ok(y >= placed[i - 1].y + 17);
    }
  }
});
