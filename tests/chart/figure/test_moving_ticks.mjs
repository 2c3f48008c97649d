/** Ticks that move between two draws by Plotly. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MovingTicks } from "../../../tickerkit/chart/figure/moving_ticks.js";
import { FakeElement, fakePlot } from "../../helpers/elements.mjs";

/** Return ticks at 20, 40 and 60 on an axis from 0 to 100, 200 pixels wide; and their elements. */
function ticksOf() {
  const elements = [20, 40, 60].map((value) => {
    const element = new FakeElement({ transform: `translate(${80 + 2 * value},0)` });
    return Object.assign(element, { __data__: { x: value }, tagName: "text" });
  });
  const other = new FakeElement(); // such as the title of the axis
  const plot = { querySelectorAll: () => [...elements, other], _fullLayout: {} };
  return { ticks: new MovingTicks(plot, "x", { _length: 200 }, [0, 100]), elements, other };
}

const places = (elements) => elements.map((element) => element.getAttribute("transform"));
const shown = (elements) => elements.map(({ style }) => style.visibility !== "hidden");

test("each tick moves to its value, and is hidden outside of its axis", () => {
  const { ticks, elements, other } = ticksOf();
  ticks.move([30, 130]);
  assert.equal(places(elements)[1], "translate(-60,0) translate(160,0)");
  assert.deepEqual(shown(elements), [false, true, true]);
  assert.equal(other.getAttribute("transform"), null);
});

test("ticks move apart where the axis stretches", () => {
  const { ticks, elements } = ticksOf();
  ticks.move([0, 50]);
  assert.deepEqual(places(elements).slice(0, 2), [
    "translate(40,0) translate(120,0)",
    "translate(80,0) translate(160,0)",
  ]);
  assert.deepEqual(shown(elements), [true, true, false]);
});

test("the mark of a period is at its start, and its label in its middle", () => {
  const [mark, label] = ["path", "text"].map((tagName) => {
    return Object.assign(new FakeElement(), { tagName, __data__: { x: 95, periodX: 105 } });
  });
  const plot = { querySelectorAll: () => [mark, label], _fullLayout: {} };
  const ticks = new MovingTicks(plot, "x", { _length: 200 }, [0, 100]);
  for (const [left, expected] of [
    [1, [true, false]],
    [10, [true, true]],
    [100, [false, true]],
  ]) {
    ticks.move([left, left + 100]);
    assert.deepEqual(shown([mark, label]), expected);
  }
});

test("ticks of an axis that stays are not touched, and go back where they were", () => {
  const { ticks, elements } = ticksOf();
  const before = places(elements);
  ticks.move([0, 100]);
  assert.deepEqual(places(elements), before);
  ticks.move([30, 130]);
  ticks.undo();
  assert.deepEqual(places(elements), before);
  assert.deepEqual(shown(elements), [true, true, true]);
});

test("Plotly is due when a tick is missing at the right, or has left at the left", () => {
  const { ticks } = ticksOf();
  assert.equal(ticks.isDue([19, 79]), false);
  assert.equal(ticks.isDue([19, 80]), true);
  assert.equal(ticks.isDue([21, 79]), true);
});

test("shapes of the axis move and stretch with it, and go back", () => {
  const shade = new FakeElement();
  const found = { '.shape-group[data-index="1"] > path': [shade] };
  const shapes = [{ xref: "paper" }, { xref: "x" }];
  const plot = fakePlot(found, { _fullLayout: { shapes } });
  const ticks = new MovingTicks(plot, "x", { _length: 200, _offset: 80 }, [0, 100]);
  ticks.move([50, 100]);
  // The value 50 was drawn at 80 + 100, and now is at the left end.
  assert.equal(shade.getAttribute("transform"), "translate(-280,0) scale(2,1)");
  ticks.undo();
  assert.equal(shade.getAttribute("transform"), null);
});
