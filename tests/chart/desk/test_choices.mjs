/** choices: what a user chooses is shown at once, and holds until the kernel says otherwise. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Choices } from "../../../tickerkit/chart/desk/choices.js";

function start() {
  mock.timers.enable({ apis: ["setTimeout"] });
  const kernel = { view: "percent", symbol: null, indicators: [], filter: "" };
  const sent = [];
  const choices = new Choices(
    () => kernel,
    (message) => sent.push(message.choices),
    () => {},
  );
  return { kernel, sent, choices };
}

test("a choice is shown before the kernel confirms it, and afterwards the kernel's", (t) => {
  t.after(() => mock.timers.reset());
  const { kernel, sent, choices } = start();
  choices.choose({ symbol: "AAPL", indicators: ["sma(20)"] });
  assert.deepEqual(sent, [{ symbol: "AAPL", indicators: ["sma(20)"] }]);
  assert.equal(choices.shown.symbol, "AAPL");
  Object.assign(kernel, { symbol: "AAPL", indicators: ["sma(20)"] });
  choices.confirm();
  kernel.symbol = "MSFT"; // by Python
  assert.equal(choices.shown.symbol, "MSFT");
});

test("a choice that the kernel refuses, or never answers, is shown no more", (t) => {
  t.after(() => mock.timers.reset());
  const { choices } = start();
  choices.choose({ view: "candles" });
  choices.drop();
  assert.equal(choices.shown.view, "percent");
  choices.choose({ view: "price" });
  mock.timers.tick(6000);
  assert.equal(choices.shown.view, "percent");
});

test("a filter is sent once its user stops typing, and with any other choice", (t) => {
  t.after(() => mock.timers.reset());
  const { sent, choices } = start();
  choices.choose({ filter: "a" });
  choices.choose({ filter: "aa" });
  assert.deepEqual([sent, choices.shown.filter], [[], "aa"]);
  mock.timers.tick(500);
  assert.deepEqual(sent, [{ filter: "aa" }]);
  choices.choose({ filter: "aap" });
  choices.choose({ symbol: "AAPL" });
  assert.deepEqual(sent[1], { filter: "aap", symbol: "AAPL" });
});
