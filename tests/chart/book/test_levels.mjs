import assert from "node:assert/strict";
import { test } from "node:test";

import { arrangeLevels, findSpread } from "../../../tickerkit/chart/book/levels.js";

const BOOK = {
  levels: 3,
  bids: /** @type {[number, number][]} */ ([
    [99, 1],
    [98, 4],
  ]),
  asks: /** @type {[number, number][]} */ ([
    [100, 2],
    [101, 3],
    [102, 8],
    [103, 50],
  ]),
};

test("rows go from the highest ask to the lowest bid, with totals from the best levels", () => {
  const rows = arrangeLevels(BOOK);
  assert.deepEqual(
    rows.map((row) => row && [row.side, row.price, row.total]),
    [["ask", 102, 13], ["ask", 101, 5], ["ask", 100, 2], ["bid", 99, 1], ["bid", 98, 5], null],
  );
});

test("bars are parts of the largest size that is shown", () => {
  const parts = arrangeLevels(BOOK).map((row) => row?.part);
  assert.deepEqual(parts, [1, 0.375, 0.25, 0.125, 0.5, undefined]);
});

test("an empty book has empty rows and no spread", () => {
  const empty = { levels: 2, bids: [], asks: [] };
  assert.deepEqual(arrangeLevels(empty), [null, null, null, null]);
  assert.equal(findSpread(empty), null);
});

test("the spread is a number and a share of the middle", () => {
  assert.deepEqual(findSpread(BOOK), { spread: 1, percent: 100 / 99.5 });
  assert.deepEqual(findSpread({ bids: [[-1, 1]], asks: [[1, 1]] }), { spread: 2, percent: null });
});
