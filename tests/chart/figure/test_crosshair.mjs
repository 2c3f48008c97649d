/** The value at the height of the pointer. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { findPointerValue } from "../../../tickerkit/chart/figure/crosshair.js";

const LINE = { showspikes: true, spikesnap: "cursor", anchor: "x" };
const LAYOUT = {
  xaxis: { _offset: 50, _length: 700 },
  yaxis: { ...LINE, _offset: 20, _length: 100, range: [100, 200], tickformat: ",.2f" },
  yaxis2: { ...LINE, _offset: 150, _length: 50, range: [-1, 1] },
};

test("the value is that of the pane in which the pointer is", () => {
  assert.deepEqual(findPointerValue(LAYOUT, 60, 45), { text: "175.00", right: 49, y: 45 });
  assert.deepEqual(findPointerValue(LAYOUT, 60, 150), { text: "1.00", right: 49, y: 150 });
  assert.equal(findPointerValue(LAYOUT, 60, 200)?.text, "−1.00");
});

test("between panes and beside them there is none", () => {
  for (const [x, y] of [
    [60, 130],
    [40, 45],
    [760, 45],
    [60, 10],
  ]) {
    assert.equal(findPointerValue(LAYOUT, x, y), null);
  }
});

test("an axis without a line at the pointer, or over another, has none", () => {
  const { xaxis, yaxis } = LAYOUT;
  for (const change of [{ showspikes: false }, { spikesnap: "data" }, { overlaying: "y2" }]) {
    assert.equal(findPointerValue({ xaxis, yaxis: { ...yaxis, ...change } }, 60, 45), null);
  }
  assert.equal(findPointerValue({}, 60, 45), null);
  assert.equal(findPointerValue({ xaxis, yaxis: { ...yaxis, range: undefined } }, 60, 45), null);
});

test("it has the sign, the suffix and the scale of its axis", () => {
  const { xaxis } = LAYOUT;
  const yaxis = { ...LAYOUT.yaxis, range: [0, 2], type: "log" };
  assert.equal(findPointerValue({ xaxis, yaxis }, 60, 70)?.text, "10.00");
  const percent = { ...LAYOUT.yaxis, range: [0, 2], tickformat: "+,.2f", ticksuffix: " %" };
  assert.equal(findPointerValue({ xaxis, yaxis: percent }, 60, 70)?.text, "+1.00 %");
});
