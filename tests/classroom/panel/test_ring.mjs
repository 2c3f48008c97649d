/** Ring: rows come once, what has no row is counted, and the counts add up. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Ring } from "../../../tickerkit/classroom/panel/ring.js";
import { describeRow } from "../../../tickerkit/classroom/panel/row_list.js";

const row = (seq) => [seq, seq * 10, 1, 0, 0, 2, "8102", "6869", "", 0];
const range = (start, stop) => Array.from({ length: stop - start }, (_, at) => start + at);
const message = (start, stop, rows = range(start, stop), events = []) => ({
  kind: "frames",
  start,
  stop,
  rows: rows.map(row),
  events,
});
const list = (ring) =>
  range(ring.first, ring.stop).map((position) => {
    const { kind, seq, count, what } = ring.at(position);
    return kind === "frame" ? seq : kind === "count" ? `+${count}` : what;
  });

test("rows come in order, and a message that comes twice counts once", () => {
  const ring = new Ring();
  for (const each of [message(1, 4), message(1, 4), message(2, 6)]) ring.take(each);
  assert.deepEqual(list(ring), [1, 2, 3, 4, 5]);
  assert.deepEqual([ring.rows, ring.omitted, ring.next], [5, 0, 6]);
});

test("frames without a row, and those of a lost message, are one row that counts them", () => {
  const ring = new Ring();
  ring.take(message(1, 101, [99, 100]));
  ring.take(message(151, 153));
  assert.deepEqual(list(ring), ["+98", 99, 100, "+50", 151, 152]);
  assert.equal(ring.rows + ring.omitted, 152);
  assert.match(describeRow(ring.at(0), 0)[9], /^98 more/);
});

test("counts add up however messages are cut, lost and repeated", () => {
  let seed = 7;
  const draw = (below) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const ring = new Ring(50);
  let stop = 1;
  for (let turn = 0; turn < 500; turn++) {
    const start = Math.max(1, stop - draw(20));
    stop += draw(30);
    if (draw(4)) ring.take(message(start, stop, range(Math.max(start, stop - 10), stop)));
  }
  ring.take(message(stop, stop));
  assert.equal(ring.rows + ring.omitted, stop - 1);
  assert.equal(list(ring).length, 50);
});

test("what happened to a connection is among its frames, once", () => {
  const events = [
    [1, 10, "request", "GET / HTTP/1.1", ""],
    [1, 10, "answer", "HTTP/1.1 101", ""],
    [1, 20, "end", "ended by the client", ""],
  ];
  const ring = new Ring();
  for (let turn = 0; turn < 2; turn++) ring.take(message(1, 3, [1, 2], events));
  assert.deepEqual(list(ring), ["request", "answer", 1, 2, "end"]);
});

test("the oldest rows go when the ring is full", () => {
  const ring = new Ring(3);
  ring.take(message(1, 6));
  assert.deepEqual([list(ring), ring.first], [[3, 4, 5], 2]);
});

test("of a crowd of connections only the newest are remembered", () => {
  const ring = new Ring(10);
  const request = (link) => [link, link, "request", "GET / HTTP/1.1", ""];
  for (let link = 1; link <= 10_000; link++) ring.take(message(1, 1, [], [request(link)]));
  assert.ok(ring.events <= 3000);
  const before = ring.stop;
  ring.take(message(1, 1, [], [request(9_900)]));
  assert.equal(ring.stop, before);
});
