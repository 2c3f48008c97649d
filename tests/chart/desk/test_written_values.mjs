/** written_values: numbers, ages and lags are written in few characters, and a missing one as –. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  formatAge,
  formatChange,
  formatClock,
  formatNumber,
  formatLag,
  formatPerSecond,
  formatSize,
  shapeOf,
} from "../../../tickerkit/chart/desk/written_values.js";

for (const [write, value, text] of [
  [(value) => formatNumber(value, 2), 1234.5, "1,234.50"],
  [(value) => formatNumber(value, 5), -0.5, "−0.50000"],
  [(value) => formatNumber(value, 2), 1.005, "1.00"], // as Python and Plotly round it
  [(value) => formatNumber(value, 2), null, "–"],
  [(value) => formatNumber(value, 2), Number.NaN, "–"],
  [formatSize, 1234567.25, "1,234,567.25"],
  [formatSize, null, "–"],
  [formatChange, 0.421, "+0.42 %"],
  [formatChange, -0.421, "−0.42 %"],
  [formatChange, -0.0001, "0.00 %"],
  [formatChange, 1234.5, "+1,234.5 %"],
  [formatChange, null, "–"],
  [formatPerSecond, 0, "0/s"],
  [formatPerSecond, 0.24, "0.2/s"],
  [formatPerSecond, 1234.4, "1,234/s"],
  [formatAge, -3, "0.0 s"],
  [formatAge, 9.94, "9.9 s"],
  [formatAge, 12.4, "12 s"],
  [formatAge, 300, "5 min"],
  [formatAge, 3600 * 5, "5 h"],
  [formatAge, 86_400 * 4, "4 d"],
  [formatLag, 11.6, "12 ms"],
  [formatLag, -1270, "−1.27 s"],
  [formatLag, -0.2, "0 ms"],
  [formatLag, 300_000, "5 min"],
]) {
  test(`${value} is written as ${text}`, () => {
    assert.equal(write(value), text);
  });
}

test("a time is that of the zone; of an unknown zone, that of the page", () => {
  assert.equal(formatClock(1_795_945_271_000, "UTC"), "09:41:11");
  assert.equal(formatClock(1_795_945_271_000, "America/New_York"), "04:41:11");
  assert.match(formatClock(1_795_945_271_000, "Mars/Olympus"), /^\d\d:\d\d:\d\d$/);
});

test("states differ by their shapes, not only by their colours", () => {
  const states = ["live", "quiet", "mute", "refused", "stale"];
  assert.equal(new Set(states.map(shapeOf)).size, states.length);
});
