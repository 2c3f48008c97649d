/** The room that the title and the mode bar need at the top of a figure. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { measureLack, measureTitleCut } from "../../../tickerkit/chart/figure/top_margin.js";
import { fakePlot } from "../../helpers/elements.mjs";

/** Return an element at this place. */
function elementAt([left, top, right, bottom]) {
  const box = { left, top, right, bottom, width: right - left, height: bottom - top };
  return { getBoundingClientRect: () => box };
}

/** Return a plot whose elements are at these places. */
function plotOf({ title, legend, names = [], bar }, layout = {}) {
  const found = {
    ".infolayer .gtitle": title,
    ".infolayer .legend": legend,
    ".modebar": bar,
  };
  const texts = { ".infolayer .legend .legendtext": names.map(elementAt) };
  return fakePlot(texts, {
    _fullLayout: { title: { text: title && "a title" }, legend: { y: 1.02 }, ...layout },
    getBoundingClientRect: elementAt([0, 0, 800, 400]).getBoundingClientRect,
    querySelector: (selector) => (found[selector] ? elementAt(found[selector]) : null),
  });
}

test("a title lies above the legend", () => {
  const title = [20, 10, 200, 35];
  assert.equal(measureLack(plotOf({ title, legend: [20, 20, 300, 40] })), 15);
  assert.ok(measureLack(plotOf({ title, legend: [20, 40, 300, 60] })) <= 0);
});

test("the mode bar lies above the legend if it would cover a name", () => {
  const [legend, bar] = [
    [20, 10, 780, 30],
    [650, 2, 798, 27],
  ];
  const short = [[60, 12, 600, 28]];
  assert.ok(measureLack(plotOf({ legend, bar, names: short })) <= 0);
  const long = [...short, [640, 12, 700, 28]];
  assert.equal(measureLack(plotOf({ legend, bar, names: long })), 17);
  assert.ok(measureLack(plotOf({ legend, names: long })) <= 0);
  assert.ok(measureLack(plotOf({ legend: [20, -90, 780, -70], names: short })) <= 0);
  const vertical = { modebar: { orientation: "v" } };
  assert.ok(measureLack(plotOf({ legend, bar, names: long }, vertical)) <= 0);
});

test("a legend beside the plot, and a plot without one, need no room", () => {
  const [legend, names, bar] = [[600, 10, 780, 30], [[640, 12, 700, 28]], [650, 2, 798, 27]];
  assert.equal(measureLack(plotOf({ legend, names, bar }, { legend: { y: 1 } })), 0);
  assert.equal(measureLack(plotOf({ title: [20, 10, 200, 35], bar })), 0);
});

test("a title of several lines that is cut is moved, at most by its own height", () => {
  const title = [20, -7, 200, 34];
  const layout = (pad, yanchor = "top") => ({ title: { text: "two lines", yanchor, pad } });
  assert.equal(measureTitleCut(plotOf({ title }, layout({ t: 8 }))), 7);
  assert.ok(measureTitleCut(plotOf({ title: [20, 3, 200, 44] }, layout({ t: 15 }))) <= 0);
  assert.equal(measureTitleCut(plotOf({ title }, layout({ t: 50 }))), 0);
  assert.equal(measureTitleCut(plotOf({ title }, layout({ t: 8 }, "auto"))), 0);
  assert.equal(measureTitleCut(plotOf({}, layout({ t: 8 }))), 0);
});
