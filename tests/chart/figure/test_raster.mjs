/** Lines, areas and markers as the pixels of an image. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Raster } from "../../../tickerkit/chart/figure/raster.js";

const RED = { red: 255, green: 0, blue: 0, alpha: 1 };
const BLUE = { red: 0, green: 0, blue: 255, alpha: 0.5 };
const floats = (...values) => Float64Array.from(values);

/** Return the opacities of an image, row by row, from 0 to 100. */
function opacities({ bytes, width, height }) {
  const rows = Array.from({ length: height }, (_, row) => row);
  const columns = Array.from({ length: width }, (_, column) => column);
  return rows.map((row) =>
    columns.map((column) => Math.round((100 * bytes[4 * (row * width + column) + 3]) / 255)),
  );
}

/** Return the opacities of a line through points, each [x, y]. */
function drawLine(points, { width = 1, size = [5, 4], color = RED, clip } = {}) {
  const raster = new Raster(...size);
  if (clip) raster.clip(clip);
  const [x, y] = [0, 1].map((axis) => floats(...points.map((point) => point[axis])));
  raster.line(x, y, points.length, width, color);
  return opacities(raster);
}

test("a level line covers whole pixels, or shares of two", () => {
  const whole = [0, 100, 100, 100, 0];
  const none = [0, 0, 0, 0, 0];
  const across = (y) =>
    drawLine([
      [1, y],
      [4, y],
    ]);
  assert.deepEqual(across(1.5), [none, whole, none, none]);
  const half = whole.map((ink) => ink / 2);
  assert.deepEqual(across(2), [none, half, half, none]);
});

test("an upright line is as wide as a level one", () => {
  const drawn = drawLine(
    [
      [2.5, 0],
      [2.5, 4],
    ],
    { width: 2 },
  );
  assert.deepEqual(drawn, Array(4).fill([0, 50, 100, 50, 0]));
});

test("a turn has a point on its outer side", () => {
  const drawn = drawLine(
    [
      [0, 3],
      [3, 3],
      [3, 0],
    ],
    { width: 2 },
  );
  assert.deepEqual(drawn[3], [100, 100, 100, 100, 0]);
});

test("a line ends at its last point, and NaN breaks it", () => {
  const points = [
    [0, 1.5],
    [1, 1.5],
    [NaN, NaN],
    [3, 1.5],
    [4, 1.5],
  ];
  assert.deepEqual(drawLine(points)[1], [100, 0, 0, 100, 0]);
});

test("a line that steps back leaves its inside empty", () => {
  const loop = [
    [0, 0.5],
    [4, 0.5],
    [4.5, 2],
    [4, 3.5],
    [0, 3.5],
  ];
  const [first, second, third, last] = drawLine(loop);
  assert.deepEqual([first[1], second[1], third[1], last[1]], [100, 0, 0, 100]);
});

test("a line is cut at the sides of its area, and of the image", () => {
  const clip = { left: 1, top: 1, right: 4, bottom: 3 };
  const steep = [
    [-5, 1.5],
    [2.5, 1.5],
    [2.5, -99],
    [2.5, 99],
    [9, 99],
  ];
  const drawn = drawLine(steep, { clip });
  assert.deepEqual(drawn[0], [0, 0, 0, 0, 0]);
  assert.deepEqual(drawn[1].slice(0, 3), [0, 100, 100]);
  assert.deepEqual(drawn[3], [0, 0, 0, 0, 0]);
});

test("a later trace is put over an earlier one", () => {
  const raster = new Raster(1, 1);
  const draw = (color) => raster.line(floats(0, 1), floats(0.5, 0.5), 2, 1, color);
  draw(RED);
  draw(BLUE);
  assert.deepEqual([...raster.bytes], [128, 0, 128, 255]);
  raster.clear();
  draw(BLUE);
  assert.deepEqual([...raster.bytes], [0, 0, 255, 128]);
  draw(RED);
  assert.deepEqual([...raster.bytes], [255, 0, 0, 255]);
});

test("an area is filled up to and down to its height", () => {
  const raster = new Raster(4, 4);
  raster.area(floats(0, 2, 2, 4), floats(1, 1, 3, 3), 4, 2, RED);
  assert.deepEqual(opacities(raster), [
    [0, 0, 0, 0],
    [100, 100, 0, 0],
    [0, 0, 100, 100],
    [0, 0, 0, 0],
  ]);
});

test("an area goes on where its line is broken, and where its points step back", () => {
  const draw = (x, y) => {
    const raster = new Raster(4, 1);
    raster.area(floats(...x), floats(...y), x.length, 1, RED);
    return opacities(raster);
  };
  for (const missing of [NaN, Infinity]) {
    assert.deepEqual(draw([0, 1, 1.5, 2, 3], [0, 0, missing, 0, 0]), [[100, 100, 100, 0]]);
  }
  assert.deepEqual(draw([3, 2, 1], [0, 0, 0]), [[0, 100, 100, 0]]);
  assert.deepEqual(draw([0, 3, 1, 4], [0, 0, 0.5, 0.5]), [[100, 100, 100, 50]]);
});

test("markers are squares or discs around their points", () => {
  const draw = (symbol) => {
    const raster = new Raster(3, 3);
    raster.markers(floats(1.5, NaN), floats(1.5, 1), 2, 3, symbol, RED);
    return opacities(raster);
  };
  assert.deepEqual(draw("square"), Array(3).fill([100, 100, 100]));
  const [[corner, side]] = draw("circle");
  assert.ok(corner < 65 && side === 100);
});
