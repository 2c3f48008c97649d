/** The board: a row for each symbol, drawn at most once for each picture of the screen. */

import assert from "node:assert/strict";
import { before, beforeEach, test } from "node:test";

import { FakeElement } from "../../helpers/elements.mjs";

let frames;
let observers;
let Board;
let formatPrice;

/** A row's element, or a part of it. */
class RowElement extends FakeElement {
  dataset = {};
  textContent = "";
  hidden = false;
  isConnected = false;
  animations = [];
  #parts;

  constructor() {
    super({}, [new FakeElement(), new FakeElement(), new FakeElement()]);
  }

  querySelector(selector) {
    this.#parts ??= new Map();
    if (!this.#parts.has(selector)) this.#parts.set(selector, new RowElement());
    return this.#parts.get(selector);
  }

  cloneNode() {
    return new RowElement();
  }

  remove() {
    this.isConnected = false;
    list.children = list.children.filter((element) => element !== this);
  }

  animate() {
    const animation = {
      isCancelled: false,
      cancel() {
        this.isCancelled = true;
      },
    };
    this.animations.push(animation);
    return animation;
  }
}

before(async () => {
  globalThis.matchMedia = () => ({ matches: false });
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  globalThis.IntersectionObserver = class {
    constructor(callback) {
      this.callback = callback;
      observers.push(this);
    }

    observe(element) {
      this.element = element;
    }

    unobserve() {}
  };
  ({ Board, formatPrice } = await import("../../../tickerkit/server/page/board.js"));
});

let board;
let list;
let clock;

beforeEach(() => {
  frames = [];
  observers = [];
  clock = 1000;
  list = {
    children: [],
    append(...elements) {
      for (const element of elements) element.isConnected = true;
      this.children = elements;
    },
  };
  board = new Board(list, { content: { firstElementChild: new RowElement() } });
});

function add(symbol, price, rest = {}) {
  board.add(symbol, { price, numbers: [], isNew: true, ...rest });
}

/** Draw what is due, 100 ms later. */
function draw() {
  clock += 100;
  for (const callback of frames.splice(0)) callback(clock);
}

/** Scroll all rows into view. */
function showAll() {
  const entries = list.children.map((target) => ({ target, isIntersecting: true }));
  observers[0].callback(entries);
  draw();
}

const shown = () =>
  list.children.map(
    (row) =>
      `${row.querySelector(".symbol").textContent} ${row.querySelector(".price").textContent}`,
  );

test("a symbol is on the page with its first price, in the order that was expected", () => {
  board.expect(["AAPL", "MSFT"]);
  assert.equal(board.size, 0);
  add("MSFT", 2);
  draw();
  add("AAPL", 1);
  add("NVDA", 3);
  draw();
  assert.deepEqual(shown(), ["AAPL $1.00", "MSFT $2.00", "NVDA $3.00"]);
  assert.equal(board.size, 3);
});

const details = () => list.children.map((row) => row.querySelector(".numbers").textContent);

test("a symbol without a price has its first number in its place, and the others below", () => {
  const temperature = (value, ...more) =>
    add("kitchen", null, { numbers: [["t", value], ...more] });
  temperature(21.5, ["humidity", 40]);
  temperature(-3, ["battery", 98.25]);
  draw();
  assert.deepEqual(shown(), ["kitchen −3.0"]);
  assert.deepEqual(details(), ["t · humidity 40 · battery 98.25"]);
  add("kitchen", null, { numbers: [["humidity", 41]] });
  draw();
  assert.deepEqual(details(), ["t · humidity 41 · battery 98.25"]);
  add("kitchen", null, { numbers: Array.from({ length: 9 }, (_, i) => [`n${i}`, i]) });
  draw();
  assert.deepEqual(details(), ["t · humidity 41 · battery 98.25 · n0 0 · n1 1 · n2 2"]);
});

test("a number has the unit of its column, and a price is in dollars unless it has one", () => {
  board.setUnits({ t: "°C", humidity: "%" });
  add("kitchen", null, {
    numbers: [
      ["t", 21.5],
      ["humidity", 40],
      ["constructor", 3],
    ],
  });
  add("AAPL", 1);
  draw();
  assert.deepEqual(shown(), ["kitchen 21.5 °C", "AAPL $1.00"]);
  assert.deepEqual(details(), ["t · humidity 40 % · constructor 3", ""]);
  board.setUnits({ price: "EUR" });
  add("AAPL", 2);
  add("kitchen", null, { numbers: [["t", 22]] });
  draw();
  assert.deepEqual(shown(), ["kitchen 22.0", "AAPL 2.00 EUR"]);
});

test("the first price of a symbol ends its other numbers, which never come back", () => {
  add("AAPL", null, { numbers: [["volume", 1e6]] });
  draw();
  assert.deepEqual(shown(), ["AAPL 1,000,000"]);
  add("AAPL", 187.25);
  add("AAPL", null, { numbers: [["volume", 2e6]] });
  draw();
  assert.deepEqual([shown(), details()], [["AAPL $187.25"], [""]]);
});

test("after a restart, the numbers are those of the new server", () => {
  add("kitchen", null, { numbers: [["temperature", 21.5]] });
  draw();
  board.restart();
  add("kitchen", null, { numbers: [["humidity", 40]] });
  draw();
  assert.deepEqual([shown(), details()], [["kitchen 40"], ["humidity"]]);
});

test("however many ticks come, each row is drawn once, with its newest price", () => {
  for (let price = 1; price <= 1000; price++) add("AAPL", price);
  assert.equal(frames.length, 1);
  draw();
  assert.deepEqual(shown(), ["AAPL $1,000.00"]);
});

test("rows are drawn at most every 30 ms", () => {
  add("AAPL", 1);
  draw();
  add("AAPL", 2);
  const [callback] = frames.splice(0);
  callback(clock + 16);
  assert.deepEqual(shown(), ["AAPL $1.00"]);
  assert.equal(frames.length, 1); // it waits for the next picture
});

test("a quote has the middle of bid and ask, until the symbol trades", () => {
  add("AAPL", null, { bid: 10, ask: 11 });
  draw();
  assert.deepEqual(shown(), ["AAPL $10.50"]);
  add("AAPL", null, { bid: 10.5 });
  draw();
  assert.deepEqual(shown(), ["AAPL $10.75"]);
  add("AAPL", 12);
  add("AAPL", null, { bid: 1, ask: 2 });
  draw();
  assert.deepEqual(shown(), ["AAPL $12.00"]);
});

test("a quote with one side has its price, and one with none is not shown", () => {
  add("AAPL", null, { ask: 11 });
  add("MSFT", null);
  draw();
  assert.deepEqual(shown(), ["AAPL $11.00"]);
});

test("a filter hides the symbols without its text, also those that come later", () => {
  add("AAPL", 1);
  draw();
  board.filter(" aa ");
  add("MSFT", 1);
  draw();
  assert.deepEqual(
    list.children.map((row) => row.hidden),
    [false, true],
  );
  board.filter("");
  assert.ok(list.children.every((row) => !row.hidden));
});

test("after a restart rows are dimmed until they have a new price", () => {
  add("AAPL", 1);
  add("MSFT", 1);
  draw();
  board.restart();
  add("MSFT", 2);
  draw();
  assert.deepEqual(
    list.children.map((row) => "stale" in row.dataset),
    [true, false],
  );
});

test("a row that is scrolled into view flashes with a new price, up or down", () => {
  add("AAPL", 1);
  draw();
  showAll();
  const [row] = list.children;
  add("AAPL", 2);
  draw();
  assert.deepEqual([row.dataset.direction, row.animations.length], ["up", 1]);
  add("AAPL", 1);
  draw();
  assert.deepEqual([row.dataset.direction, row.animations.length], ["down", 2]);
  assert.ok(row.animations[0].isCancelled);
});

test("a row that goes the same way flashes at most every 250 ms", () => {
  add("AAPL", 1);
  draw();
  showAll();
  for (let price = 2; price < 12; price++) {
    add("AAPL", price);
    draw();
  }
  assert.equal(list.children[0].animations.length, 4); // within a second
});

test("an old tick, an equal price, and a row outside the screen do not flash", () => {
  add("AAPL", 1);
  draw();
  add("AAPL", 2);
  draw();
  showAll();
  add("AAPL", 2);
  draw();
  add("AAPL", 3, { isNew: false });
  draw();
  assert.equal(list.children[0].animations.length, 0);
});

test("a sparkline is drawn of the last 120 prices, once its row is in view", () => {
  for (let price = 1; price <= 200; price++) add("AAPL", price);
  draw();
  const [, line] = list.children[0].querySelector(".sparkline").children;
  assert.equal(line.getAttribute("d"), null);
  showAll();
  assert.equal(line.getAttribute("d").split("L").length, 120);
});

test("a price is in dollars, with its sign before them", () => {
  assert.deepEqual(
    [
      [187.25, 2],
      [64_250, 2],
      [1.08345, 5],
      [-3.5, 2],
    ].map(([price, decimals]) => formatPrice(price, decimals)),
    ["$187.25", "$64,250.00", "$1.08345", "−$3.50"],
  );
});

test("all prices of a symbol have the decimals of its tick size", () => {
  const texts = (symbol, prices) =>
    prices.map((price) => {
      add(symbol, price);
      draw();
      const row = list.children.find(({ dataset }) => dataset.symbol === symbol);
      return row.querySelector(".price").textContent;
    });
  assert.deepEqual(texts("AAPL", [187, 187.25, 187.3]), ["$187.00", "$187.25", "$187.30"]);
  assert.deepEqual(texts("SHIB", [0.0000123, 0.00001]), ["$0.0000123", "$0.0000100"]);
  assert.deepEqual(texts("EURUSD", [1.1095, 1.11]), ["$1.1095", "$1.1100"]);
});

test("a quote has the decimals of bid, ask and the middle", () => {
  board.add("EURUSD", { price: null, bid: 1.1095, ask: 1.1096, isNew: true });
  draw();
  assert.equal(list.children[0].querySelector(".price").textContent, "$1.10955");
});

test("after a restart, symbols without a new price are removed in the end", () => {
  add("OLD", 1);
  add("AAPL", 1);
  draw();
  board.restart();
  clock += 60_000; // nothing comes: the server may be slow
  add("AAPL", 2);
  draw();
  assert.deepEqual(shown(), ["OLD $1.00", "AAPL $2.00"]);
  clock += 30_000;
  add("AAPL", 3);
  draw();
  assert.deepEqual(shown(), ["AAPL $3.00"]);
  add("OLD", 4); // it comes back
  draw();
  assert.deepEqual(shown(), ["AAPL $3.00", "OLD $4.00"]);
});
