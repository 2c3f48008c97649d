/** pull: a page of Google Colab, whose kernel is stood in for, asks for the points of a figure. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Pull } from "../../../tickerkit/chart/figure/pull.js";

let asked;
let answers;
let pull;
let received;
let states;

beforeEach(() => {
  [asked, answers, received, states] = [[], [], [], 0];
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(console, "error", () => {});
  globalThis.document = { visibilityState: "visible" };
  const invokeFunction = async (...question) => {
    asked.push(question);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return { data: { "application/json": answer ?? {} } };
  };
  globalThis.google = { colab: { kernel: { invokeFunction } } };
  pull = new Pull({
    key: "k",
    report: () => ({ kind: "here", page: "p", from: {} }),
    receive: (content, buffers) => received.push([content, buffers]),
    askState: () => states++,
  });
  pull.start();
});

afterEach(() => {
  pull.stop();
  mock.timers.reset();
  mock.restoreAll();
});

/** Let time pass, and the promises that it has resolved. */
async function pass(milliseconds) {
  mock.timers.tick(milliseconds);
  for (let i = 0; i < 10; i++) await null;
}

test("a page asks by the figure's key, and takes the messages of the answer", async () => {
  const content = { kind: "points", traces: [] };
  answers = [{ edits: 3, messages: [{ content, buffers: [btoa("ab")] }] }];
  await pass(0);
  const [[name, args, named]] = asked;
  assert.equal(name, "tickerkit.pull");
  assert.deepEqual(args, ["k", { kind: "here", page: "p", from: {} }]);
  assert.deepEqual(named, {});
  const [[got, [buffer]]] = received;
  assert.deepEqual(got, content);
  assert.equal(buffer.getUint8(1), "b".charCodeAt(0));
});

test("a page asks for the state when traces or layout have changed", async () => {
  answers = [3, 3, 4].map((edits) => ({ edits, messages: [] }));
  await pass(0);
  await pass(100);
  assert.equal(states, 1);
  await pass(100);
  assert.equal(states, 2);
});

test("a hidden page does not ask, and after an error a page waits longer", async () => {
  document.visibilityState = "hidden";
  await pass(0);
  assert.equal(asked.length, 0);
  document.visibilityState = "visible";
  answers = [new Error("the kernel is gone")];
  await pass(100);
  await pass(1000);
  assert.equal(asked.length, 1);
  await pass(4000);
  assert.equal(asked.length, 2);
});

test("a page whose last view is removed asks no more", async () => {
  await pass(0);
  pull.stop();
  await pass(10_000);
  assert.equal(asked.length, 1);
});

test("a page that shows the figure again during a question asks as often as before", async () => {
  mock.timers.tick(0); // the question is on its way
  pull.stop();
  pull.start();
  await pass(0);
  const count = asked.length;
  for (let i = 0; i < 10; i++) await pass(100);
  assert.ok(asked.length <= count + 10);
});
