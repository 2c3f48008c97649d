/** kernel_link: a widget whose kernel is gone says so once, and sends nothing more. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { KernelLink } from "../../tickerkit/runtime/page_parts/kernel_link.js";

let handlers;
let link;
let losses;
let sent;
let isGone;

beforeEach(() => {
  mock.reset();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(console, "warn", () => {});
  [handlers, losses, sent, isGone] = [new Map(), 0, [], false];
  const model = {
    on: (event, handle) => handlers.set(event, handle),
    off: (event) => handlers.delete(event),
    send: (message, _, buffers) => {
      if (isGone) throw new Error("Cannot send");
      sent.push([message, buffers]);
    },
  };
  link = new KernelLink(model, () => losses++);
});

test("messages are passed on as they are", () => {
  const buffers = [new ArrayBuffer(1)];
  link.send({ kind: "here" }, buffers);
  assert.deepEqual(sent, [[{ kind: "here" }, buffers]]);
  assert.equal(link.isLost, false);
});

test("a message that can't be sent is a loss, which is told once", () => {
  isGone = true;
  link.send({ kind: "here" });
  link.send({ kind: "here" });
  assert.equal(link.isLost, true);
  assert.equal(losses, 1);
});

test("a kernel that restarts is noticed without a message of the widget", () => {
  handlers.get("comm_live_update")();
  isGone = true;
  mock.timers.tick(1_000);
  assert.equal(losses, 1);
});

test("a connection that comes back is no loss", () => {
  handlers.get("comm_live_update")();
  mock.timers.tick(1_000);
  assert.equal(losses, 0);
});

test("a widget that is closed watches no longer", () => {
  link.stop();
  assert.equal(handlers.size, 0);
});
