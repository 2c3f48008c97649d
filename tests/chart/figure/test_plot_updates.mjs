/** Which of plotly's messages can be left out, because later ones replace the same. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import {
  Backlog,
  nameReplaced,
  UPDATE_PLOT,
} from "../../../tickerkit/chart/figure/plot_updates.js";

const DATA = [{ uid: "a" }, { uid: "b" }];
const restyle = (style, traces = [0], data = DATA) =>
  nameReplaced("restyle", { restyle_data: style, restyle_traces: traces }, data);

test("a message replaces another with the same properties of the same traces", () => {
  assert.equal(restyle({ x: [[1]], y: [[2]] }), restyle({ y: [[3]], x: [[4]] }));
  assert.equal(restyle({ x: [[1]] }, null), restyle({ x: [[2]] }, [0, 1]));
  assert.notEqual(restyle({ x: [[1]] }), restyle({ x: [[1]], y: [[2]] }));
  assert.notEqual(restyle({ x: [[1]] }), restyle({ x: [[1]] }, [1]));
});

test("a trace is the same only if its uid is", () => {
  assert.notEqual(restyle({ x: [[1]] }), restyle({ x: [[1]] }, [0], DATA.slice(1)));
});

test("an update of traces and layout replaces both", () => {
  const update = (style_data, layout_data) =>
    nameReplaced("update", { style_data, layout_data, style_traces: [0] }, DATA);
  assert.equal(update({ x: 1 }, { title: 2 }), update({ x: 3 }, { title: 4 }));
  assert.notEqual(update({ x: 1 }, { title: 2 }), update({ x: 1 }, {}));
});

test("messages of other kinds are never left out", () => {
  assert.equal(nameReplaced("addTraces", { trace_data: [] }, DATA), null);
  assert.equal(nameReplaced("relayout", { relayout_data: { title: 1 } }, DATA), null);
});

test("of messages that replace the same, only the newest is drawn", async () => {
  const backlog = new Backlog();
  backlog.add("x of a", 1);
  backlog.add("x of b", 2);
  backlog.add("x of a", 3);
  backlog.add(null, 4);
  assert.equal(await backlog.take("x of a", 1), false);
  assert.equal(await backlog.take("x of b", 2), true);
  assert.equal(await backlog.take("x of a", 3), true);
  assert.equal(await backlog.take(null, 4), true);
});

test("after a slow draw the page rests for as long, and then draws what is newest", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => 1000);
  const backlog = new Backlog();
  backlog.noteDraw(600, 1000);
  backlog.add("x of a", 1);
  let isDrawn;
  const taken = backlog.take("x of a", 1).then((drawn) => {
    isDrawn = drawn;
  });
  mock.timers.tick(399);
  await Promise.resolve();
  assert.equal(isDrawn, undefined);
  backlog.add("x of a", 2);
  mock.timers.tick(1);
  await taken;
  assert.equal(isDrawn, false);
  mock.timers.reset();
  mock.restoreAll();
});

test("an axis that Python makes and fills in one message is changed once", () => {
  const relayout = mock.fn();
  const update = mock.fn();
  const view = { Plotly: { relayout, update }, plot: {}, figure: { layout: {}, data: [] } };
  const legend2 = { x: 0, y: 1 };
  const changes = { yaxis2: {}, "yaxis2.domain": [0, 0.2], legend2, "legend2.x": 0, title: {} };
  UPDATE_PLOT.relayout(view, { relayout_data: changes });
  UPDATE_PLOT.update(view, { style_data: {}, layout_data: changes, style_traces: null });
  const wanted = { "yaxis2.domain": [0, 0.2], legend2, title: {} };
  assert.deepEqual(relayout.mock.calls[0].arguments[1], { ...wanted, _doNotReportToPy: true });
  assert.deepEqual(update.mock.calls[0].arguments[2], wanted);
});
