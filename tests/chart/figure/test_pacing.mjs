/** Pacing: over which frames messages are shown, for the ways in which messages arrive. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { noteDraw, Pacing } from "../../../tickerkit/chart/figure/pacing.js";
import { Seeded } from "../../helpers/seeded.mjs";

const FRAME = 1000 / 60;
/** When the usual interval is surely known. */
const SETTLED_MS = 500;

/** Return the times of `count` messages at intervals that a function gives. */
function arrivals(count, interval) {
  let at = 3;
  return Array.from({ length: count }, (_, i) => {
    const now = at;
    at += interval(i);
    return now;
  });
}

/** Return messages sent 60 times a second, of which some wait for the one after, as with Nagle. */
const clumps = (count, size) =>
  arrivals(count, () => FRAME).map((_, i) => 3 + (Math.floor(i / size) * size + size) * FRAME);

/**
 * Show messages in the frames of a page.
 *
 * Checks what is always true: each message is shown in the order in which they came, after it came,
 * wholly in the end, and at most 50 ms late.
 *
 * @param {number[]} times when the messages come
 * @param {object} [options]
 * @param {number} [options.frame] the length of a frame of the screen
 * @param {(frame: number) => boolean} [options.isBusy] whether the page has no time for a frame;
 *   messages that come meanwhile are received just before the next frame
 * @returns the steps, in messages for each frame, and the delays of the wholly shown messages in
 *   frames after the first frame that could show them; both without the start
 */
function run(times, options = {}) {
  const { frame = FRAME, isBusy = () => false, isCrowded = false, from = SETTLED_MS } = options;
  const pacing = new Pacing();
  const [steps, delays] = [[], []];
  /** The first frame that could show each message. */
  const possible = [];
  let [next, before, whole, free] = [0, 0, 0, 0];
  const end = times[times.length - 1] + 100;
  for (let number = 0; number * frame < end; number++) {
    const now = number * frame;
    if (isBusy(number)) {
      free = now + frame - 1;
      continue;
    }
    pacing.countFrame();
    while (next < times.length && times[next] <= now) {
      possible.push(number);
      pacing.add(next, Math.max(times[next], free));
      next++;
    }
    let shown = whole;
    for (const [message, share] of pacing.show(now, isCrowded)) {
      assert.equal(message, whole);
      assert.ok(message < next && share > 0 && share <= 1);
      shown = message + share;
      if (share < 1) continue;
      whole++;
      if (times[message] > from) delays.push(number - possible[message]);
      if (!options.isBusy) assert.ok(now - times[message] <= 50 + 1e-6);
    }
    assert.ok(shown >= before - 1e-9);
    assert.equal(pacing.waiting.length, next - whole);
    if (now > from && now < times[times.length - 1] - 50) steps.push(shown - before);
    before = shown;
  }
  assert.equal(whole, times.length);
  return { steps, delays };
}

const least = (values) => Math.min(...values);
const greatest = (values) => Math.max(...values);

test("messages that come evenly at one a frame are shown at once", () => {
  const { delays } = run(arrivals(300, () => FRAME));
  assert.equal(greatest(delays), 0);
});

test("messages that come evenly, a few ms early or late, are shown at once", () => {
  const random = new Seeded(1);
  const times = arrivals(300, () => FRAME).map((at) => at + random.uniform(0, 6));
  assert.equal(greatest(run(times).delays), 0);
});

test("of messages that come about when a frame begins, nearly each frame shows one", () => {
  const random = new Seeded(2);
  const times = arrivals(600, () => FRAME).map((at) => at - 3 + random.uniform(-3, 3));
  const { steps, delays } = run(times);
  assert.ok(steps.filter((step) => step === 0).length < 0.05 * steps.length);
  assert.equal(greatest(delays), 1);
});

test("of messages in clumps of two, each frame shows one; the second is a frame late", () => {
  const { steps, delays } = run(clumps(300, 2));
  for (const step of steps) assert.ok(Math.abs(step - 1) < 1e-6);
  assert.deepEqual([least(delays), greatest(delays)], [0, 1]);
});

test("of messages in clumps of three, each frame shows one", () => {
  const { steps, delays } = run(clumps(300, 3));
  for (const step of steps) assert.ok(Math.abs(step - 1) < 1e-6);
  assert.equal(greatest(delays), 2);
});

test("of clumps of one and two in turn, each frame shows one, at most a frame late", () => {
  const times = clumps(300, 3).map((at, i) => (i % 3 === 0 ? at - 2 * FRAME : at));
  const { steps, delays } = run(times);
  assert.ok(least(steps) > 0.5 && greatest(steps) < 1.5);
  assert.equal(greatest(delays), 1);
});

test("of 20 messages a second, each frame shows a third", () => {
  const { steps, delays } = run(arrivals(100, () => 3 * FRAME));
  for (const step of steps) assert.ok(Math.abs(step - 1 / 3) < 1e-6);
  assert.equal(greatest(delays), 2);
});

test("of 40 messages a second, each frame shows two thirds", () => {
  const { steps } = run(arrivals(200, () => 1.5 * FRAME));
  for (const step of steps) assert.ok(Math.abs(step - 2 / 3) < 0.26);
});

test("of 20 messages a second at uneven intervals, nearly every frame shows something", () => {
  const random = new Seeded(2);
  const times = arrivals(200, () => random.uniform(35, 65));
  const { steps } = run(times);
  const still = steps.filter((step) => step < 0.01).length;
  assert.ok(still < 0.1 * steps.length);
  assert.ok(greatest(steps) < 1.01);
});

test("a burst after a pause is shown at once", () => {
  const times = [...arrivals(60, () => 3 * FRAME), ...Array(50).fill(3505), 3525];
  assert.equal(greatest(run(times, { from: 3300 }).delays), 0);
});

test("a burst amid a stream is shown within 50 ms", () => {
  const times = arrivals(100, () => 3 * FRAME);
  times.splice(50, 0, ...Array(40).fill(times[50]));
  run(times); // checks the delay of each message
});

test("where each draw takes as long as it is between messages, they are shown at once", () => {
  const isBusy = (frame) => frame % 2 === 1;
  assert.equal(
    greatest(
      run(
        arrivals(300, () => FRAME),
        { isBusy },
      ).delays,
    ),
    0,
  );
  assert.equal(
    greatest(
      run(
        arrivals(200, () => 2 * FRAME),
        { isBusy },
      ).delays,
    ),
    0,
  );
  assert.equal(greatest(run(clumps(300, 2), { isBusy }).delays), 0);
});

test("where many draws take long, messages that come evenly are still shown at once", () => {
  const random = new Seeded(3);
  const { delays } = run(
    arrivals(600, () => FRAME),
    { isBusy: () => random.random() < 0.3 },
  );
  assert.equal(greatest(delays), 0);
});

test("a page that sometimes takes two frames to draw still shows clumps evenly", () => {
  const { steps } = run(clumps(300, 2), { isBusy: (frame) => frame % 15 === 0 });
  assert.ok(steps.filter((step) => Math.abs(step - 1) < 0.01).length > 0.7 * steps.length);
});

test("where frames are twice as fast, messages that come evenly are still shown at once", () => {
  const { delays } = run(
    arrivals(300, () => FRAME),
    { frame: FRAME / 2 },
  );
  assert.equal(greatest(delays), 0);
});

test("where too many figures are in motion, messages are shown at once", () => {
  const { delays } = run(clumps(300, 2), { isCrowded: true });
  assert.equal(greatest(delays), 0);
});

test("two views that draw in the same frame show a message once", () => {
  const pacing = new Pacing();
  for (let now = 0; now < 3000; now += FRAME) {
    pacing.countFrame();
    if (Math.round(now / FRAME) % 3 === 0) pacing.add(now, now);
    const first = pacing.show(now);
    const again = pacing.show(now);
    assert.deepEqual(
      again,
      first.filter(([, share]) => share < 1),
    );
  }
});

test("before frames, and after a pause, nothing can be held back", () => {
  const pacing = new Pacing();
  assert.ok(pacing.isPaused(1e6));
  pacing.show(1e6);
  assert.ok(!pacing.isPaused(1e6 + 50));
  assert.ok(pacing.isPaused(1e6 + 101));
});

test("all waiting messages can be taken at any time, in order", () => {
  const pacing = new Pacing();
  for (let i = 0; i < 30; i++) {
    for (let frame = 0; frame < 3; frame++) pacing.countFrame();
    pacing.show(i * 50);
    pacing.add(i, i * 50);
  }
  pacing.show(1500);
  pacing.add(30, 1500);
  pacing.add(31, 1500);
  assert.deepEqual(pacing.takeAll().slice(-2), [30, 31]);
  assert.deepEqual(pacing.show(1510), []);
});

test("more than four figures in motion in a page are too many", () => {
  const draw = (names, now) => names.map((name) => noteDraw(name, now)).at(-1);
  assert.ok(!draw(["a", "b", "c", "d"], 1000));
  assert.ok(draw(["e"], 1500));
  assert.ok(!draw(["a"], 2600));
});
