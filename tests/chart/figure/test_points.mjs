/** The points that the kernel streams: points that fit are held, and missing ones are requested. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Points } from "../../../tickerkit/chart/figure/points.js";
import { array, Seeded } from "../../helpers/seeded.mjs";

let now;
let sent;
let points;
let isShown;

beforeEach(() => {
  now = 1e6;
  sent = [];
  isShown = true;
  globalThis[Symbol.for("tickerkit.drawn")].clear(); // the figures of other tests
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  points = new Points({
    uids: () => ["a", "b", "bars"],
    isLine: (uid) => uid !== "bars",
    isShown: () => isShown,
    send: (message) => sent.push(message),
  });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** Let time pass. */
function pass(milliseconds) {
  now += milliseconds;
  mock.timers.tick(milliseconds);
}

/** Receive points [start, stop) of a trace, whose x and y are their positions. */
function receive(uid, start, stop, options = {}) {
  const { epoch = 1, first = 0, names = ["y"], isFollowing = true, isSmooth = false } = options;
  const values = array(stop - start, (i) => start + i);
  const trace = { uid, epoch, start, first, ...(start === first ? { names } : {}) };
  const message = { kind: "points", traces: [trace] };
  const buffers = ["x", ...names].map(() => new DataView(values.slice().buffer));
  const isNew = points.receive(message, buffers, isFollowing, isSmooth);
  points.askForMissed(message);
  return isNew;
}

const held = (uid) => {
  const { first, next } = points.get(uid);
  return [first, next];
};

test("a whole window begins a trace, and later points continue it", () => {
  assert.ok(receive("a", 0, 5));
  assert.ok(!receive("a", 5, 8));
  assert.deepEqual(held("a"), [0, 8]);
  assert.deepEqual(points.get("a").last(), { x: 7, y: 7 });
  assert.deepEqual([points.size, points.count, sent.length], [1, 8, 0]);
});

test("a message may come twice, and may replace the newest points", () => {
  receive("a", 0, 5);
  receive("a", 4, 6);
  receive("a", 4, 6);
  assert.deepEqual(held("a"), [0, 6]);
});

test("points after a lost message are not taken, but requested again", () => {
  receive("a", 0, 5);
  receive("a", 7, 9);
  assert.deepEqual(held("a"), [0, 5]);
  assert.deepEqual(sent, [
    { kind: "here", page: points.page, from: { a: [1, 5], b: [null, -1], bars: [null, -1] } },
  ]);
  receive("a", 5, 9);
  assert.deepEqual(held("a"), [0, 9]);
});

test("the request is repeated until the points have come", () => {
  receive("a", 0, 5);
  receive("a", 7, 9);
  pass(1000);
  pass(1000);
  assert.equal(sent.length, 3);
  receive("a", 5, 9);
  pass(5000);
  assert.equal(sent.length, 3);
});

test("the request is not repeated while the figure has no view", () => {
  receive("a", 0, 5);
  receive("a", 7, 9);
  isShown = false;
  pass(5000);
  assert.equal(sent.length, 1);
});

test("there are at most four requests in a second", () => {
  receive("a", 0, 5);
  for (let elapsed = 0; elapsed < 990; elapsed += 10) {
    receive("a", 7, 9);
    pass(10);
  }
  assert.equal(sent.length, 4);
});

test("points of another epoch are taken only with their whole window", () => {
  receive("a", 0, 5);
  receive("a", 5, 8, { epoch: 2, first: 3 });
  assert.deepEqual(held("a"), [0, 5]);
  assert.equal(sent.length, 1);
  receive("a", 3, 8, { epoch: 2, first: 3 });
  assert.deepEqual([points.get("a").epoch, ...held("a")], [2, 3, 8]);
});

test("a window that has moved beyond the points held begins again", () => {
  receive("a", 0, 5);
  assert.ok(!receive("a", 90, 100, { first: 90 }));
  assert.deepEqual(held("a"), [90, 100]);
});

test("old points are dropped as the kernel's window slides", () => {
  receive("a", 0, 100);
  receive("a", 100, 110, { first: 10 });
  assert.deepEqual(held("a"), [10, 110]);
});

test("while the chart holds still, old points stay up to another window's worth", () => {
  receive("a", 0, 100);
  receive("a", 100, 150, { first: 50, isFollowing: false });
  assert.deepEqual(held("a"), [0, 150]);
  receive("a", 150, 250, { first: 150, isFollowing: false, names: ["y"] });
  assert.deepEqual(held("a"), [50, 250]);
});

test("a thinned copy from the state is shown until the whole window has come", () => {
  const data = [{ uid: "a", x: [1, 5, 9], y: [1, 5, 9] }];
  points.load({ a: { epoch: 1, next: 10, names: ["y"], whole: false }, b: {} }, data);
  assert.deepEqual(held("a"), [7, 10]);
  assert.equal(points.size, 1);
  points.ask();
  assert.deepEqual(sent[0].from.a, [null, -1]);
  receive("a", 0, 10);
  assert.deepEqual([points.get("a").isPartial, ...held("a")], [false, 0, 10]);
});

test("a whole window from the state is continued", () => {
  const data = [{ uid: "a", x: [7, 8, 9], y: [7, 8, 9] }];
  points.load({ a: { epoch: 1, next: 10, names: ["y"], whole: true } }, data);
  receive("a", 10, 12, { first: 7 });
  assert.deepEqual(held("a"), [7, 12]);
});

test("the state of a saved notebook may have more points than the kernel had sent before", () => {
  const values = Array.from({ length: 300 }, (_, i) => i);
  const data = [{ uid: "a", x: values, y: values }];
  points.load({ a: { epoch: 1, next: 100, names: ["y"], whole: true } }, data);
  assert.deepEqual(held("a"), [0, 300]);
  assert.ok(points.get("a").isPartial); // a kernel that still runs sends its window again
});

test("a trace that is dropped has no points", () => {
  receive("a", 0, 5);
  assert.ok(points.drop("a"));
  assert.ok(!points.drop("a"));
  assert.equal(points.get("a"), undefined);
});

test("a message has the columns of several traces", () => {
  const traces = [
    { uid: "a", epoch: 1, start: 0, first: 0, names: ["y"] },
    { uid: "b", epoch: 2, start: 0, first: 0, names: ["open", "high", "low", "close"] },
  ];
  const columns = array(7, (i) => i).map((i) => i);
  const buffers = [...columns].map((value) => Float64Array.of(value));
  points.receive({ kind: "points", traces }, buffers, true);
  assert.deepEqual(points.get("a").last(), { x: 0, y: 1 });
  assert.deepEqual(points.get("b").last(), { x: 2, open: 3, high: 4, low: 5, close: 6 });
});

const FRAME = 1000 / 60;
const smooth = { isSmooth: true };

/** Pass frames; every third brings 30 points of a trace. Return its last points after each. */
function stream(uid, frames, options = smooth) {
  const shown = [];
  for (let frame = 0; frame < frames; frame++) {
    const stop = points.count;
    if (frame % 3 === 0)
      receive(uid, stop, stop + 30, { first: Math.max(0, stop - 70), ...options });
    points.countFrame();
    points.advance(now);
    shown.push(points.get(uid).next);
    pass(FRAME);
  }
  return shown;
}

test("the points of rare messages are shown evenly; the window slides as evenly", () => {
  receive("a", 0, 100);
  stream("a", 30);
  const shown = stream("a", 30);
  assert.deepEqual(new Set(shown.slice(1).map((next, i) => next - shown[i])), new Set([10]));
  stream("a", 2);
  assert.deepEqual(held("a"), [620, 720]);
  assert.equal(points.count, 730);
});

test("points that have come but are not shown yet are not requested again", () => {
  receive("a", 0, 100);
  stream("a", 31);
  assert.ok(points.isHolding);
  points.ask();
  assert.deepEqual([points.count, sent[0].from.a], [430, [1, 430]]);
  assert.equal(points.get("a").next, 410);
  points.showAll();
  assert.ok(!points.isHolding);
  assert.deepEqual([points.count, ...held("a")], [430, 330, 430]);
});

test("points without frames are shown at once", () => {
  receive("a", 0, 100);
  stream("a", 31);
  pass(200);
  receive("a", 430, 440, { first: 340, ...smooth });
  assert.deepEqual(held("a"), [340, 440]);
});

test("while the chart holds still, points are shown at once", () => {
  receive("a", 0, 100);
  stream("a", 31);
  receive("a", 430, 440, { first: 340, isFollowing: false, ...smooth });
  assert.equal(points.get("a").next, 440);
});

test("points that replace others, and whole windows, are shown at once", () => {
  receive("a", 0, 100);
  stream("a", 31);
  receive("a", 425, 440, { first: 340, ...smooth });
  assert.equal(points.get("a").next, 440);
  stream("a", 31);
  receive("a", 900, 1000, { first: 900, ...smooth });
  assert.deepEqual(held("a"), [900, 1000]);
  points.advance(now);
  assert.deepEqual(held("a"), [900, 1000]);
});

test("bars and candles are shown at once", () => {
  receive("bars", 0, 100);
  assert.equal(stream("bars", 31).at(-1), 430);
});

test("loading the state, and dropping a trace, drop its points that are not shown yet", () => {
  receive("a", 0, 100);
  stream("a", 31);
  points.load({ a: { epoch: 1, next: 10, names: ["y"], whole: true } }, [
    { uid: "a", x: [9], y: [9] },
  ]);
  assert.ok(!points.isHolding);
  assert.deepEqual(held("a"), [9, 10]);
});

test("a repeated message loses no points that are held back", () => {
  stream("a", 30);
  const next = points.count;
  receive("a", next, next + 30, smooth);
  assert.ok(points.isHolding);
  receive("a", next, next + 40, smooth); // as requested by a report that it crossed
  receive("a", next + 40, next + 50, smooth);
  assert.deepEqual(sent, []);
  assert.equal(points.count, next + 50);
});

for (let seed = 0; seed < 20; seed++) {
  test(`whatever is lost on the way, the page ends with the kernel's window (seed ${seed})`, () => {
    const random = new Seeded(seed);
    const size = 50;
    let next = 0;
    let from = -1; // what the kernel sends next, as the page has asked
    const send = (isLost) => {
      const first = Math.max(0, next - size);
      const start = Math.max(from, first);
      from = next;
      if (!isLost && next > start) receive("a", start, next, { first, isSmooth: seed % 2 === 1 });
    };
    for (let step = 0; step < 200; step++) {
      next += random.integer(0, 40);
      send(random.random() < 0.3);
      pass(random.integer(0, 300));
      if (random.random() < 0.7) points.advance(now);
      for (const question of sent.splice(0)) {
        if (random.random() < 0.3) continue; // lost
        const [epoch, position] = question.from.a;
        from = Math.min(from, epoch === 1 ? position : -1);
      }
    }
    for (let round = 0; round < 3; round++) {
      next += 1;
      send(false);
      pass(1000);
      for (const question of sent.splice(0)) {
        from = Math.min(from, question.from.a[0] === 1 ? question.from.a[1] : -1);
      }
    }
    send(false);
    points.showAll();
    assert.deepEqual(held("a"), [Math.max(0, next - size), next]);
  });
}
