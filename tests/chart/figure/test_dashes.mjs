/** Lines cut into dashes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { cutDashes, readDash } from "../../../tickerkit/chart/figure/dashes.js";

/** Return the dashes of a line through points, each dash as its points. */
function dashes(points, lengths) {
  const [x, y] = [0, 1].map((axis) => Float64Array.from(points, (point) => point[axis]));
  const cut = cutDashes(x, y, points.length, lengths);
  const parts = [];
  for (let i = 0; i < cut.x.length; i++) {
    if (Number.isNaN(cut.x[i])) parts.push([]);
    else parts.at(-1).push([cut.x[i], cut.y[i]]);
  }
  return parts.filter((part) => part.length);
}

test("dashes and gaps alternate along a line, around its corners", () => {
  const corner = [
    [0, 0],
    [4, 0],
    [4, 6],
  ];
  assert.deepEqual(dashes(corner, [3, 2]), [
    [
      [0, 0],
      [3, 0],
    ],
    [
      [4, 1],
      [4, 4],
    ],
  ]);
  assert.deepEqual(dashes(corner, [5, 9])[0], [
    [0, 0],
    [4, 0],
    [4, 1],
  ]);
});

test("after a break the line begins with a dash", () => {
  const broken = [
    [0, 0],
    [2, 0],
    [NaN, NaN],
    [5, 0],
    [9, 0],
  ];
  assert.deepEqual(dashes(broken, [3, 3]), [
    [
      [0, 0],
      [2, 0],
    ],
    [
      [5, 0],
      [8, 0],
    ],
  ]);
});

test("dashes are read as Plotly reads them", () => {
  assert.deepEqual(readDash("solid", 2), []);
  assert.deepEqual(readDash(undefined), []);
  assert.deepEqual(readDash("dot", 2), [3, 3]);
  assert.deepEqual(readDash("longdashdot", 4), [20, 8, 4, 8]);
  assert.deepEqual(readDash("5px,10px", 2), [5, 10]);
  assert.deepEqual(readDash("5 1.5, 2", 2), [5, 1.5, 2, 5, 1.5, 2]);
  assert.deepEqual(readDash("0,0", 2), []);
  assert.equal(readDash("5%,2%", 2), null);
});
