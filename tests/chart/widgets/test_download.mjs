/** The page's side of a download: parts become a file, and a lost part is requested again. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { deflateSync } from "node:zlib";

import widget from "../../../tickerkit/chart/widgets/download.js";

const original = globalThis.document;

let now;
let model;
let elements;
let saved;
let stop;

class FakeNode {
  style = { cssText: "" };
  children = [];
  listeners = {};
  textContent = "";

  constructor(name) {
    this.name = name;
    elements.push(this);
  }

  append(...children) {
    this.children.push(...children);
  }

  remove() {}

  setAttribute() {}

  addEventListener(event, listener) {
    this.listeners[event] = listener;
  }

  click() {
    if (this.download) saved.push({ name: this.download, file: this.href });
    this.listeners.click?.();
  }
}

beforeEach(() => {
  now = 1e6;
  elements = [];
  saved = [];
  mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
  mock.method(performance, "now", () => now);
  mock.method(URL, "createObjectURL", (file) => file);
  mock.method(URL, "revokeObjectURL", () => {});
  globalThis.document = {
    body: new FakeNode("body"),
    createElement: (name) => new FakeNode(name),
  };
  start({});
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  globalThis.document = original;
});

/** Show a widget whose model has these traits. */
function start(traits) {
  elements = [];
  const handlers = new Map();
  model = {
    sent: [],
    handlers,
    get: (name) => ({ description: "Download", tooltip: "a file", _job: "", ...traits })[name],
    on: (event, handler) => handlers.set(event, handler),
    send: (message) => model.sent.push(message),
  };
  const { initialize, render } = widget();
  initialize({ model });
  stop = render({ el: new FakeNode("div") });
}

const button = () => elements.find(({ name }) => name === "button");
const texts = () => elements.filter(({ name }) => name === "span").map((each) => each.textContent);
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Send a message of the kernel to the page. */
const send = (message, ...buffers) =>
  model.handlers.get("msg:custom")({ job: model.sent.at(-1).job, ...message }, buffers);

/** Send a message, and wait until the page has answered it. */
async function receive(message, ...buffers) {
  const { length } = model.sent;
  send(message, ...buffers);
  while (model.sent.length === length) await settle();
}

const partOf = (number, text) => [
  { kind: "part", number, compressed: true, lines: number + 1, total_lines: 4 },
  deflateSync(text),
];

const part = (number, text) => receive(...partOf(number, text));

const end = (number, bytes) => receive({ kind: "end", number, name: "ticks.csv", bytes });

/** Return the newest message to the kernel, without its job. */
function newest() {
  const { job, ...message } = model.sent.at(-1);
  assert.equal(typeof job, "string");
  return message;
}

test("a click asks for the file, and its parts become one", async () => {
  button().click();
  assert.deepEqual(newest(), { kind: "want", compressed: true });
  await part(0, "a,b\n");
  assert.deepEqual(newest(), { kind: "next", number: 1, again: false });
  assert.deepEqual(texts(), ["Preparing… 25 %", "1 of 4 rows"]);
  await part(1, "1,2\n");
  await end(2, 8);
  assert.deepEqual(
    saved.map(({ name }) => name),
    ["ticks.csv"],
  );
  assert.equal(await saved[0].file.text(), "a,b\n1,2\n");
  assert.deepEqual(texts(), ["Download", "ticks.csv, 8 bytes"]);
});

test("parts that are not compressed, of a file of unknown length, are taken too", async () => {
  button().click();
  const message = { kind: "part", number: 0, compressed: false, lines: 1234, total_lines: null };
  await receive(message, new TextEncoder().encode("a\n"));
  assert.deepEqual(texts(), ["Preparing…", "1,234 rows"]);
  await end(1, 2);
  assert.equal(await saved[0].file.text(), "a\n");
});

test("a part that comes twice counts once", async () => {
  button().click();
  await part(0, "a\n");
  send(...partOf(0, "a\n"));
  await end(1, 2);
  assert.equal(await saved[0].file.text(), "a\n");
});

test("a part after a lost one makes the page ask for the lost one", async () => {
  button().click();
  await part(1, "b\n");
  assert.deepEqual(newest(), { kind: "next", number: 0, again: true });
  await part(0, "a\n");
  await part(1, "b\n");
  await end(2, 4);
  assert.equal(await saved[0].file.text(), "a\nb\n");
});

test("a part that takes long is requested again, and a note shows the wait", () => {
  button().click();
  now += 10_001;
  mock.timers.tick(2000);
  assert.deepEqual(newest(), { kind: "next", number: 0, again: true });
  assert.deepEqual(texts(), ["Preparing…", "waiting for the kernel"]);
});

test("a file that arrived damaged is not saved", async () => {
  button().click();
  await part(0, "a\n");
  await end(1, 3);
  assert.deepEqual([saved.length, newest()], [0, { kind: "cancel" }]);
  assert.match(texts()[1], /arrived damaged/);
});

test("a failure is shown, and a second click starts again", async () => {
  button().click();
  send({ kind: "failed", reason: "no such symbol" });
  await settle();
  assert.deepEqual(texts(), ["Download", "no such symbol"]);
  button().click();
  assert.equal(newest().kind, "want");
  assert.notEqual(model.sent[1].job, model.sent[0].job);
});

test("a click while it prepares cancels, and later parts are ignored", async () => {
  button().click();
  button().click();
  assert.deepEqual(newest(), { kind: "cancel" });
  send(...partOf(0, "a\n"));
  await settle();
  assert.deepEqual([texts(), model.sent.length], [["Download", "Cancelled."], 2]);
});

test("another page's parts are ignored", async () => {
  button().click();
  send({ kind: "failed", reason: "no such symbol", job: "another" });
  await settle();
  assert.deepEqual(texts(), ["Preparing…", "0 rows"]);
});

test("after a reload in the middle of a download, a note asks to click again", () => {
  start({ _job: "old" });
  assert.equal(texts()[1], "The page was reloaded: click again.");
});

test("a view that is removed is not drawn any more", () => {
  stop();
  button().click();
  assert.deepEqual(texts(), ["Download", ""]);
});
