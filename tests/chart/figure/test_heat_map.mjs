/** The pixels of a heat map: cells of even and uneven sizes, and their colours. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  findCells,
  isEven,
  makeCellEdges,
  makeColorTable,
  paintCells,
} from "../../../tickerkit/chart/figure/heat_map.js";

const BLACK_TO_WHITE = [
  [0, [0, 0, 0, 1]],
  [1, [255, 255, 255, 1]],
];

/** Return the bytes of pixels: red, green, blue and opacity of each. */
const bytesOf = (pixels) => [...new Uint8Array(pixels.buffer)];

test("cells meet in the middle between two centres", () => {
  assert.deepEqual([...makeCellEdges([1, 2, 4])], [0.5, 1.5, 3, 5]);
  assert.deepEqual([...makeCellEdges([7])], [6.5, 7.5]);
  assert.equal(makeCellEdges([]).length, 1);
});

test("columns are even within one in a hundred, as for Plotly", () => {
  assert.ok(isEven([0, 1, 2, 3]));
  assert.ok(isEven([0, 1.009, 2, 3]));
  assert.ok(!isEven([0, 1.02, 2, 3]));
});

test("colours change evenly between the stops of a scale", () => {
  const table = makeColorTable(BLACK_TO_WHITE);
  const grey = new Uint8Array(table.buffer);
  for (let at = 0; at < table.length; at++) {
    assert.ok(Math.abs(grey[at * 4] - (255 * at) / (table.length - 1)) <= 0.5);
    assert.equal(grey[at * 4 + 3], 255);
  }
});

test("a scale may have a sudden change, and translucent colours", () => {
  const table = makeColorTable([
    [0, [255, 0, 0, 0.5]],
    [0.5, [255, 0, 0, 0.5]],
    [0.5, [0, 0, 255, 1]],
    [1, [0, 0, 255, 1]],
  ]);
  const half = table.length / 2;
  assert.deepEqual(bytesOf(table.slice(half - 1, half + 1)), [255, 0, 0, 128, 0, 0, 255, 255]);
});

test("a cell covers the pixels between its rounded edges", () => {
  assert.deepEqual([...findCells([0, 1.4, 1.6, 4], 5)], [0, 1, 2, 2, -1]);
  assert.deepEqual([...findCells([4, 2, -3], 4)], [1, 1, 0, 0]);
  assert.deepEqual([...findCells([], 2)], [-1, -1]);
});

test("pixels have the colours of their cells; a hole is transparent", () => {
  // Two columns of three values, drawn from the top row down.
  const z = Float64Array.of(0, 5, 10, NaN, -99, 99);
  const pixels = new Uint32Array(12);
  const colors = { table: makeColorTable(BLACK_TO_WHITE), least: 0, greatest: 10 };
  paintCells(pixels, z, 3, Int32Array.of(0, 1, 1, -1), Int32Array.of(2, 1, 0), colors);
  const reds = bytesOf(pixels).filter((_, at) => at % 4 === 0);
  const opacities = bytesOf(pixels).filter((_, at) => at % 4 === 3);
  assert.deepEqual(reds, [255, 255, 255, 0, 128, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(opacities, [255, 255, 255, 0, 255, 255, 255, 0, 255, 0, 0, 0]);
});
