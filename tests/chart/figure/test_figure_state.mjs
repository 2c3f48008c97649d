/** figure: what a page keeps of the messages that Python sends. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Figure } from "../../../tickerkit/chart/figure/figure.js";

/** Return a figure with one live trace and one view, and a function that hands it a relayout. */
function makeFigure() {
  const state = {
    _widget_data: [{ uid: "a", type: "scatter", x: [0, 1], y: [0, 1] }],
    _widget_layout: { xaxis: { range: [5, 6] } },
    _places: { a: { epoch: 1, next: 2, names: ["y"], whole: true } },
  };
  const listeners = {};
  const model = {
    get: (name) => state[name],
    set: () => {},
    save_changes: () => {},
    send: () => {},
    on: (event, callback) => {
      listeners[event] = callback;
    },
  };
  globalThis.document = { addEventListener: () => {}, visibilityState: "hidden" };
  const figure = new Figure(model);
  figure.add({ id: "own", plot: {}, apply: () => {} });
  const relayout = (relayout_data, source_view_id) => {
    state._py2js_relayout = { relayout_data, source_view_id };
    listeners["change:_py2js_relayout"]();
  };
  return { figure, relayout };
}

test("an answer to an earlier zoom of this page does not undo its newest zoom", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const { figure, relayout } = makeFigure();
  for (const source of ["own", "all"]) {
    relayout({ "xaxis.range": [1, 2], "title.text": source }, source);
    assert.deepEqual(figure.layout.xaxis.range, [5, 6]);
    assert.equal(figure.layout.title.text, source);
  }
});

test("a zoom by Python or by another page applies", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  for (const source of [undefined, "another"]) {
    const { figure, relayout } = makeFigure();
    relayout({ "xaxis.range": [1, 2] }, source);
    assert.deepEqual(figure.layout.xaxis.range, [1, 2]);
  }
});
