/** Plotly's planned draws take a share of the page's time. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { isPlotlyResting, notePlotlyDraw } from "../../../tickerkit/chart/figure/plotly_share.js";

test("after a draw of 10 ms, the next planned draw of any figure is 50 ms after it", () => {
  assert.ok(!isPlotlyResting(1000));
  notePlotlyDraw(1000, 1010);
  assert.ok(isPlotlyResting(1049));
  assert.ok(!isPlotlyResting(1050));
});

test("a short draw does not end the rest after a long one", () => {
  notePlotlyDraw(2000, 2100);
  notePlotlyDraw(2110, 2111);
  assert.ok(isPlotlyResting(2499));
  assert.ok(!isPlotlyResting(2500));
});
