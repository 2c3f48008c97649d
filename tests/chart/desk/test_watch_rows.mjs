/** watch_rows, row_filter, watch_columns: which rows are shown, in which order, what of each. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseRowFilter } from "../../../tickerkit/chart/desk/row_filter.js";
import {
  ColumnWidths,
  fitColumns,
  listColumns,
  writeLast,
} from "../../../tickerkit/chart/desk/watch_columns.js";
import { ageOf, WatchRows } from "../../../tickerkit/chart/desk/watch_rows.js";

const makeRow = (place, symbol, facts = {}) => ({
  id: `0 ${symbol}`,
  feed: 0,
  symbol,
  place,
  last: 100 + place,
  label: "",
  unit: "",
  decimals: 2,
  change: 0,
  rate: 1,
  age_s: 0,
  status: "live",
  is_stale: false,
  spark: [],
  ...facts,
});
const message = (rows, facts = {}) => ({ kind: "rows", whole: false, rows, gone: [], ...facts });

function fill(...rows) {
  const all = new WatchRows();
  all.take(message(rows, { whole: true }), 0);
  return all;
}

const namesOf = (rows) => rows.map(({ symbol }) => symbol);
const order = (rows, field, isDescending = false, test = () => true, now = 0) =>
  namesOf(rows.order(field, isDescending, test, now));

test("rows of a silent kernel no longer say that they are live", () => {
  const rows = fill(makeRow(0, "A"), makeRow(1, "B", { status: "quiet" }));
  const before = rows.changes;
  rows.expire();
  assert.deepEqual(
    [...rows.all()].map(({ status, changed }) => [status, changed > before]),
    [
      ["unknown", true],
      ["unknown", true],
    ],
  );
});

test("a message changes the fields that it has, and keeps the others", () => {
  const rows = fill(makeRow(0, "AAPL"));
  assert.equal(rows.take(message([{ id: "0 AAPL", last: 7 }]), 5), true);
  const row = rows.find(0, "AAPL");
  assert.deepEqual([row.last, row.status, row.at], [7, "live", 0]);
});

test("a row that nothing is known of shows that a message was lost", () => {
  const rows = fill(makeRow(0, "AAPL"));
  assert.equal(rows.take(message([{ id: "0 MSFT", last: 7 }]), 0), false);
  assert.equal(rows.size, 1);
});

test("rows that are gone are forgotten, and with all rows those that are not among them", () => {
  const rows = fill(makeRow(0, "A"), makeRow(1, "B"), makeRow(2, "C"));
  rows.take(message([], { gone: ["0 B"] }), 0);
  assert.deepEqual(order(rows, ""), ["A", "C"]);
  rows.take(message([makeRow(0, "C")], { whole: true }), 0);
  assert.deepEqual(order(rows, ""), ["C"]);
});

test("an age goes on between messages, and with others that have none", () => {
  const rows = fill(makeRow(0, "A", { age_s: 2 }));
  rows.take(message([{ id: "0 A", rate: 3 }]), 4000);
  assert.equal(ageOf(rows.find(0, "A"), 5000), 7);
});

test("rows are sorted by any field, those without a number last in both directions", () => {
  const rows = fill(
    makeRow(0, "A10", { change: 1, status: "live", others: [3] }),
    makeRow(1, "A2", { change: null, status: "mute", others: [1] }),
    makeRow(2, "B", { change: -2, status: "quiet", others: [2] }),
  );
  assert.deepEqual(order(rows, ""), ["A10", "A2", "B"]);
  assert.deepEqual(order(rows, "symbol"), ["A2", "A10", "B"]);
  assert.deepEqual(order(rows, "symbol", true), ["B", "A10", "A2"]);
  assert.deepEqual(order(rows, "change"), ["B", "A10", "A2"]);
  assert.deepEqual(order(rows, "change", true), ["A10", "B", "A2"]);
  assert.deepEqual(order(rows, "status"), ["A2", "B", "A10"]);
  assert.deepEqual(order(rows, "others.0"), ["A2", "B", "A10"]);
});

test("a stale row is sorted by that, whatever its pace", () => {
  const rows = fill(makeRow(0, "A"), makeRow(1, "B", { is_stale: true }));
  assert.deepEqual(order(rows, "status"), ["B", "A"]);
});

for (const [text, found] of [
  ["", ["AAPL", "MSFT", "BTC/USD"]],
  ["pl", ["AAPL"]],
  ["mute", ["MSFT"]],
  ["change > 1", ["BTC/USD"]],
  ["change<=0 aapl", ["AAPL"]],
  ["rate>=0.5 change<1e1", ["AAPL", "BTC/USD"]],
  ["kraken", ["BTC/USD"]],
  ["constructor>1", []],
  ["change>", []],
]) {
  test(`the filter ${text || "that is empty"} finds its rows`, () => {
    const rows = fill(
      makeRow(0, "AAPL", { change: -1 }),
      makeRow(1, "MSFT", { change: null, status: "mute", rate: 0 }),
      makeRow(2, "BTC/USD", { change: 2.5, feed: 1 }),
    );
    const filter = parseRowFilter(text, (feed) => ["local", "kraken"][feed]);
    assert.deepEqual(order(rows, "", false, filter), found);
  });
}

const MENU = { others: [], is_quoted: true, is_market: true, feeds: ["a"] };
const keysOf = (columns) => columns.map(({ key }) => key);

test("a market has a bid and an ask, sensors their further numbers, and feeds their names", () => {
  const market = keysOf(listColumns(MENU, "price", { hasGaps: false }));
  assert.ok(["bid", "ask", "spread", "size"].every((key) => market.includes(key)));
  const other = { column: "humidity", label: "humidity", unit: "%" };
  const menu = { others: [other], is_quoted: false, is_market: false, feeds: ["a", "b"] };
  const sensors = listColumns(menu, "temperature", { hasGaps: true });
  assert.equal(sensors.find(({ key }) => key === "last").label, "Temperature");
  assert.equal(sensors.find(({ key }) => key === "other humidity").label, "Humidity (%)");
  assert.ok(["feed", "gaps"].every((key) => keysOf(sensors).includes(key)));
  assert.ok(!["bid", "size"].some((key) => keysOf(sensors).includes(key)));
});

test("where there is little room, the columns that say least are left out", () => {
  const columns = listColumns(MENU, "price", { hasGaps: false });
  const fit = (room) => keysOf(fitColumns(columns, () => 50, room).columns);
  assert.deepEqual(fit(10_000), keysOf(columns));
  assert.deepEqual(fit(0), ["symbol", "last", "state"]);
  for (let room = 100; room < 1000; room += 7) {
    const keys = fit(room);
    assert.equal(keys.includes("bid"), keys.includes("ask"));
    const { width } = fitColumns(columns, () => 50, room);
    assert.ok(width <= room || keys.length === 3);
  }
});

test("a column is as wide as its widest text so far: it does not move with each number", () => {
  const widths = new ColumnWidths({ measure: (text) => text.length });
  const columns = listColumns(MENU, "price", { hasGaps: false });
  const size = columns.find(({ key }) => key === "size");
  widths.take(columns, { ...makeRow(0, "A"), size: 123_456_789_012 }, 0);
  assert.equal(widths.of(size), "123,456,789,000".length);
  widths.take(columns, { ...makeRow(0, "A"), size: 1 }, 0);
  assert.equal(widths.of(size), "123,456,789,000".length);
});

test("a value has its label and its unit, and a missing one has neither", () => {
  const row = makeRow(0, "A", { last: 20.5, label: "mid", unit: "°C", decimals: 1 });
  assert.deepEqual(writeLast(row), ["mid ", "20.5", " °C"]);
  assert.deepEqual(writeLast({ ...row, last: null }), ["", "–", ""]);
});
