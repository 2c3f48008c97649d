/** The loop of draws: one for each frame, and one at a time. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { DrawLoop } from "../../../tickerkit/chart/figure/draw_loop.js";

let frames;
let draws;
let isAllowed;
let finish;
let loop;
let queue;

beforeEach(() => {
  frames = [];
  draws = 0;
  isAllowed = true;
  finish = [];
  queue = Promise.resolve();
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  globalThis.cancelAnimationFrame = (id) => {
    frames[id - 1] = () => {};
  };
  loop = new DrawLoop({
    run: (action) => {
      queue = queue.then(action).catch(() => {});
    },
    isAllowed: () => isAllowed,
    draw: () => {
      draws++;
      return new Promise((resolve, reject) => finish.push({ resolve, reject }));
    },
  });
});

afterEach(() => {
  delete globalThis.requestAnimationFrame;
  delete globalThis.cancelAnimationFrame;
});

/** Show the next frame, and let all follow that it starts. */
async function showFrame() {
  for (const callback of frames.splice(0)) callback(0);
  await new Promise(setImmediate);
}

async function endDraw(isDone = true) {
  finish.shift().resolve(isDone);
  await new Promise(setImmediate);
}

test("however often a draw is requested, there is one for each frame", async () => {
  for (let time = 0; time < 5; time++) loop.request();
  assert.equal(frames.length, 1);
  await showFrame();
  assert.equal(draws, 1);
  await endDraw();
  assert.equal(frames.length, 0);
});

test("a request during a draw is drawn after it", async () => {
  loop.request();
  await showFrame();
  loop.request();
  loop.request();
  assert.equal(frames.length, 0);
  await endDraw();
  assert.equal(frames.length, 1);
  await showFrame();
  assert.equal(draws, 2);
});

test("a draw that could not show all is repeated with the next frame", async () => {
  loop.request();
  await showFrame();
  await endDraw(false);
  assert.equal(frames.length, 1);
});

test("while drawing is not allowed, nothing is drawn until it is requested again", async () => {
  isAllowed = false;
  loop.request();
  await showFrame();
  assert.deepEqual([draws, frames.length], [0, 0]);
  isAllowed = true;
  loop.request();
  await showFrame();
  assert.equal(draws, 1);
});

test("a draw that fails does not stop later ones", async () => {
  loop.request();
  await showFrame();
  finish.shift().reject(new Error("failed"));
  await new Promise(setImmediate);
  loop.request();
  await showFrame();
  assert.equal(draws, 2);
});

test("after a stop nothing is drawn", async () => {
  loop.request();
  loop.stop();
  await showFrame();
  loop.request();
  await showFrame();
  assert.equal(draws, 0);
});

test("a request during a draw that fails is drawn after it", async () => {
  loop.request();
  await showFrame();
  loop.request();
  finish.shift().reject(new Error("failed"));
  await new Promise(setImmediate);
  assert.equal(frames.length, 1);
});
