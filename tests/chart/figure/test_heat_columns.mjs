/** The columns of a heat map, from messages and states to the rows that Plotly takes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  chooseColumns,
  flattenRows,
  standInRows,
  toColumns,
  toRows,
} from "../../../tickerkit/chart/figure/heat_columns.js";
import { Points } from "../../../tickerkit/chart/figure/points.js";
import { writeSavedState } from "../../../tickerkit/chart/figure/saved_state.js";
import { Series } from "../../../tickerkit/chart/figure/series.js";
import { decode } from "../../../tickerkit/chart/figure/values.js";

const ROWS = 3;

/** Return values of columns [start, stop): x and its multiples. */
function columnsOf(start, stop) {
  const x = Float64Array.from({ length: stop - start }, (_, at) => start + at);
  const z = Float64Array.from({ length: x.length * ROWS }, (_, at) => {
    return x[Math.floor(at / ROWS)] * 10 ** (at % ROWS);
  });
  return { x, z };
}

/** Return a heat map of columns [0, count), of which those from `first` on are held. */
function heatMap(count, first = 0) {
  const series = new Series(["z"], ROWS);
  for (let start = 0; start < count; start += 7) {
    series.write(start, columnsOf(start, Math.min(count, start + 7)));
    series.trim(Math.min(first, series.next));
  }
  return series;
}

/** Have a page receive columns [start, stop), as the kernel sends them. */
function receive(points, start, stop, { epoch = 1, first = 0, rows = ROWS } = {}) {
  const { x, z } = columnsOf(start, stop);
  const whole = start === first ? { names: ["z"], rows } : {};
  const message = { kind: "points", traces: [{ uid: "a", epoch, start, first, ...whole }] };
  points.receive(message, [x, z], true);
}

const makePoints = () =>
  new Points({ uids: () => ["a"], isLine: () => false, isShown: () => true, send: () => {} });

test("a series of columns keeps the newest columns, with all their rows", () => {
  const series = heatMap(3000, 2900);
  assert.deepEqual([series.first, series.next, series.last()], [2900, 3000, { x: 2999 }]);
  assert.ok(series.capacity < 800);
  const { x, z } = columnsOf(2900, 3000);
  assert.deepEqual([...series.values("x", 0, 9999)], [...x]);
  assert.deepEqual([...series.values("z", 0, 9999)], [...z]);
  assert.deepEqual(series.extent(2900, 3000), [2900, 299900]);
  assert.throws(() => series.write(3000, { x: [1], z: [1] }), /pass 3 values/);
});

test("of too many columns, every second, fourth, ... is chosen by its position", () => {
  const series = heatMap(1000, 501);
  assert.equal(chooseColumns(series, 0, 1000, 499).x.length, 499);
  const { x, z } = chooseColumns(series, 0, 1000, 130);
  assert.deepEqual([x[0], x[1], x.at(-1), x.length], [504, 508, 996, 124]);
  assert.deepEqual([...z.slice(3, 6)], [508, 5080, 50800]);
  assert.deepEqual([...chooseColumns(series, 600, 602, 130).x], [600, 601]);
});

test("columns become rows and back", () => {
  const { z } = columnsOf(0, 4);
  const rows = toRows(z, ROWS);
  assert.deepEqual([...rows[1]], [0, 10, 20, 30]);
  assert.deepEqual(toColumns(rows), z);
  assert.deepEqual(
    [...flattenRows(z, ROWS)],
    rows.flatMap((row) => [...row]),
  );
  assert.deepEqual(toColumns([]), new Float64Array());
});

test("two columns with the extremes of all stand in for them", () => {
  const rows = standInRows(heatMap(100, 50));
  assert.deepEqual(
    rows.map((row) => row.length),
    [2, 2, 2],
  );
  assert.deepEqual([...rows[0]], [50, 9900]);
});

test("a page receives the columns, and a message with another number of rows replaces them", () => {
  const points = makePoints();
  receive(points, 0, 5);
  receive(points, 5, 6);
  const { z } = columnsOf(0, 6);
  assert.deepEqual([...points.get("a").values("z", 0, 6)], [...z]);
  // As after `clear`: an empty window has no rows yet.
  points.receive(
    { kind: "points", traces: [{ uid: "a", epoch: 2, start: 0, first: 0, names: ["z"], rows: 0 }] },
    [new Float64Array(), new Float64Array()],
    true,
  );
  assert.equal(points.get("a").length, 0);
  receive(points, 0, 2, { epoch: 2 });
  assert.deepEqual([points.get("a").rows, points.get("a").length], [ROWS, 2]);
});

test("a saved state has the cells as rows, and is loaded again", () => {
  const points = makePoints();
  receive(points, 0, 4);
  const state = { _widget_data: [], _widget_layout: {} };
  const trace = { uid: "a", type: "heatmap", x: [], z: [], y: ["p", "q", "r"] };
  writeSavedState({ get: (name) => state[name] }, [trace], {}, points);
  const [saved] = decode(state._widget_data);
  assert.deepEqual([...saved.z[2]], [0, 100, 200, 300]);
  assert.deepEqual(saved.y, ["p", "q", "r"]);
  const loaded = makePoints();
  loaded.load({ a: { epoch: 1, next: 4, names: ["z"], rows: ROWS, whole: true } }, [saved]);
  assert.deepEqual([...loaded.get("a").values("z", 0, 4)], [...columnsOf(0, 4).z]);
});
