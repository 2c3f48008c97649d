/** The labels of the newest values do not overlap. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { moveApart, Overlay, placeLabels } from "../../../tickerkit/chart/figure/overlay.js";
import { Seeded } from "../../helpers/seeded.mjs";

test("labels that are far apart stay where they are, from top to bottom", () => {
  const labels = [
    { key: "a", y: 100 },
    { key: "b", y: 20 },
  ];
  assert.deepEqual(moveApart(labels, 17, [0, 300]), [
    { key: "b", y: 20 },
    { key: "a", y: 100 },
  ]);
});

test("labels that would overlap move down, and are given back unchanged otherwise", () => {
  const labels = ["a", "b", "c"].map((key) => ({ key, y: 50 }));
  assert.deepEqual(
    moveApart(labels, 17, [0, 300]).map(({ key, y }) => [key, y]),
    [
      ["a", 50],
      ["b", 67],
      ["c", 84],
    ],
  );
  assert.ok(labels.every(({ y }) => y === 50));
});

test("no label overlaps another or leaves the plot, however many there are", () => {
  const random = new Seeded(4);
  for (let time = 0; time < 200; time++) {
    const count = 1 + Math.floor(random.uniform(0, 25));
    const labels = Array.from({ length: count }, (_, key) => ({
      key,
      y: random.uniform(20, 260),
      area: [20, 260],
    }));
    const { placed, height } = placeLabels(labels);
    assert.equal(placed.length, Math.min(count, 20));
    for (const [i, { y }] of placed.entries()) {
      assert.ok(y - height / 2 >= 20 && y + height / 2 <= 260);
      if (i) assert.ok(y >= placed[i - 1].y + height - 1e-9);
    }
  }
});

test("labels are lower where many must fit, and the first ones stay where not all fit", () => {
  const labels = (count) =>
    Array.from({ length: count }, (_, key) => ({ key, y: 100, area: [0, 240] }));
  assert.equal(placeLabels(labels(14)).height, 17);
  assert.equal(placeLabels(labels(15)).height, 12);
  const keys = placeLabels(labels(25)).placed.map(({ key }) => key);
  assert.deepEqual(
    keys.toSorted((one, other) => one - other),
    Array.from({ length: 20 }, (_, key) => key),
  );
  assert.deepEqual(placeLabels([]).placed, []);
});

test("labels stay in their own pane, and move apart only from those in it", () => {
  const label = (key, y, area) => ({ key, y, area });
  const labels = [
    label("rsi", 205, [200, 240]),
    label("price", 195, [0, 200]),
    label("volume", 198, [0, 200]), // an axis over the same area
    ...[0, 1, 2, 3].map((key) => label(key, 260, [250, 280])),
  ];
  const { placed, height } = placeLabels(labels);
  assert.equal(height, 12);
  assert.deepEqual(
    placed.map(({ key, y }) => [key, y]),
    [
      ["price", 182],
      ["volume", 194],
      ["rsi", 206],
      [0, 260],
      [1, 272],
    ],
  );
});

test("labels return to the right edge after the page has hidden the figure for a moment", () => {
  const makeElement = () => ({
    style: {},
    offsetWidth: 50,
    classList: { contains: () => false, toggle: () => {} },
    append: () => {},
    setAttribute: () => {},
    addEventListener: () => {},
  });
  const labels = [];
  globalThis.document = { createElement: makeElement, createTextNode: () => ({}) };
  const box = { clientWidth: 0, append: (...elements) => labels.push(...elements.slice(-1)) };
  const overlay = new Overlay(box, () => {});
  const label = { key: "a", text: "1.5", color: "#000", x: 800, y: 50, area: [0, 100] };
  overlay.showLabels([label]);
  box.clientWidth = 860;
  overlay.showLabels([label]);
  assert.match(labels.at(-1).style.transform, /^translate\(800px/);
});
