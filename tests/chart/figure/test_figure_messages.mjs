/** plotly's messages: what each does to the page's copies of data and layout. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  APPLY,
  findDifference,
  findReplacedTraces,
  listTraceIndices,
} from "../../../tickerkit/chart/figure/figure_messages.js";
import { Seeded } from "../../helpers/seeded.mjs";

/** Return a figure of traces with these uids. */
const figureOf = (...uids) => ({ data: uids.map((uid) => ({ uid })), layout: {} });
const uidsOf = ({ data }) => data.map(({ uid }) => uid).join("");

test("a message names one trace, several, or all", () => {
  const { data } = figureOf("a", "b");
  assert.deepEqual(listTraceIndices(1, data), [1]);
  assert.deepEqual(listTraceIndices([1, 0], data), [1, 0]);
  assert.deepEqual(listTraceIndices(null, data), [0, 1]);
  assert.deepEqual(listTraceIndices(undefined, data), [0, 1]);
});

test("traces are added at the end, and deleted by their indices in any order", () => {
  const figure = figureOf("a", "b", "c");
  APPLY.addTraces(figure, { trace_data: [{ uid: "d" }, { uid: "e" }] });
  assert.equal(uidsOf(figure), "abcde");
  APPLY.deleteTraces(figure, { delete_inds: [0, 3, 1] });
  assert.equal(uidsOf(figure), "ce");
});

test("traces move to the places that the message names, for any permutation", () => {
  const random = new Seeded(2);
  for (let time = 0; time < 100; time++) {
    const figure = figureOf(..."abcdef");
    const from = [..."012345"].map(Number).filter(() => random.random() < 0.5);
    const to = [...from].sort(() => random.random() - 0.5);
    const moved = from.map((index) => figure.data[index].uid);
    APPLY.moveTraces(figure, { current_trace_inds: from, new_trace_inds: to });
    for (const [i, index] of to.entries()) assert.equal(figure.data[index].uid, moved[i]);
    assert.equal([...uidsOf(figure)].sort().join(""), "abcdef");
  }
});

test("a restyle gives each trace its own value, in turn", () => {
  const figure = figureOf("a", "b", "c");
  const restyle_data = { "line.color": ["red", "blue"], opacity: 0.5, name: ["n", undefined] };
  APPLY.restyle(figure, { restyle_data, restyle_traces: null });
  assert.deepEqual(
    figure.data.map((trace) => [trace.line.color, trace.opacity, trace.name]),
    [
      ["red", 0.5, "n"],
      ["blue", 0.5, undefined],
      ["red", 0.5, "n"],
    ],
  );
});

test("a restyle of a trace that is gone does nothing", () => {
  const figure = figureOf("a");
  APPLY.restyle(figure, { restyle_data: { name: ["n"] }, restyle_traces: [4] });
  assert.equal(uidsOf(figure), "a");
});

test("a relayout that sets a range turns autorange off, unless it sets autorange too", () => {
  const figure = { data: [], layout: { xaxis: { autorange: true }, yaxis: { autorange: true } } };
  const changes = { "xaxis.range": [0, 1], "yaxis.range[0]": 2, "yaxis.autorange": true };
  APPLY.relayout(figure, { relayout_data: { ...changes, title: undefined } });
  assert.equal(figure.layout.xaxis.autorange, false);
  assert.equal(figure.layout.yaxis.autorange, true);
  assert.ok(!("title" in figure.layout));
});

test("an update changes data and layout, and an animation each trace by its own style", () => {
  const figure = figureOf("a", "b");
  const style_data = { visible: [false] };
  APPLY.update(figure, { style_data, style_traces: [1], layout_data: { "title.text": "t" } });
  assert.deepEqual(figure, {
    data: [{ uid: "a" }, { uid: "b", visible: false }],
    layout: { title: { text: "t" } },
  });
  const styles = [{ opacity: 0.1 }, { opacity: 0.2 }];
  APPLY.animate(figure, { style_data: styles, style_traces: [1, 0], layout_data: {} });
  assert.deepEqual(
    figure.data.map((trace) => trace.opacity),
    [0.2, 0.1],
  );
});

test("properties are removed by their paths", () => {
  const figure = { data: [{ line: { color: "red" } }], layout: { shapes: [{ x0: 1, x1: 2 }] } };
  APPLY.removeLayoutProps(figure, { remove_props: [["shapes", 0, "x0"]] });
  APPLY.removeTraceProps(figure, { remove_trace: 0, remove_props: [["line", "color"]] });
  assert.deepEqual(figure, { data: [{ line: {} }], layout: { shapes: [{ x1: 2 }] } });
});

test("a message replaces the traces that it deletes or gives other points", () => {
  const { data } = figureOf("a", "b", "c");
  const replaced = (kind, message) => [...findReplacedTraces(kind, message, data)];
  assert.deepEqual(replaced("deleteTraces", { delete_inds: [2] }), [2]);
  const restyle_data = { y: [[1], undefined], "x[3]": [4], name: "n" };
  assert.deepEqual(replaced("restyle", { restyle_data, restyle_traces: [0, 1] }).sort(), [0, 1]);
  assert.deepEqual(replaced("restyle", { restyle_data: { y: [[1], undefined] } }), [0, 2]);
  const update = { style_data: { "line.color": "red" }, style_traces: null, layout_data: {} };
  assert.deepEqual(replaced("update", update), []);
  const animate = { style_data: [{ name: "n" }, { close: [1] }], style_traces: [2, 1] };
  assert.deepEqual(replaced("animate", animate), [1]);
  assert.deepEqual(replaced("relayout", { relayout_data: { x: 1 } }), []);
});

test("the difference has the values that Plotly has filled in", () => {
  const full = {
    uid: "a",
    _module: {},
    type: "scatter",
    line: { color: "#123456", width: 2 },
    colorscale: [[0, "red"]],
    calc: () => 1,
    nothing: null,
    tickvals: [{ a: 1, b: 2 }],
  };
  const own = { uid: "a", colorscale: "Viridis", tickvals: [{ a: 1, c: 3 }] };
  const known = { uid: "a", line: { width: 2 }, tickvals: [{ a: 1 }] };
  assert.deepEqual(findDifference(full, own, known), {
    uid: "a",
    type: "scatter",
    line: { color: "#123456" },
    colorscale: "Viridis",
    tickvals: [{ c: 3 }],
  });
  assert.deepEqual(findDifference(undefined, {}, {}), {});
});

test("Python is told no values of the points drawn where it has those of all points", () => {
  const known = { marker: { size: [1, 2, 3] } };
  const own = { marker: { size: [1, 3] } };
  assert.deepEqual(findDifference({ marker: { size: [1, 3], opacity: 1 } }, own, known), {
    marker: { opacity: 1 },
  });
});

test("the rows of a heat map may be named without replacing its columns", () => {
  const data = [{ type: "heatmap" }, { type: "scatter" }];
  const replaced = (style) =>
    findReplacedTraces("restyle", { restyle_data: style, restyle_traces: [0, 1] }, data);
  assert.deepEqual(
    [
      ...replaced({
        y: [
          [1, 2],
          [3, 4],
        ],
      }),
    ],
    [1],
  );
  assert.deepEqual([...replaced({ z: [[[1, 2]], undefined] })], [0]);
});
