/** SeatSocket: one websocket for a seat, opened again whenever it breaks, in words. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import {
  makeSeatAddress,
  SeatSocket,
} from "../../../../tickerkit/classroom/room/student/seat_socket.js";

const GLOBALS = ["WebSocket", "document", "addEventListener", "fetch"];
const originals = Object.fromEntries(GLOBALS.map((name) => [name, globalThis[name]]));

let now;
let sockets;
let taken;
let events;
let answer;
let fetched;
let socket;

class FakeSocket {
  isClosed = false;

  constructor(address) {
    this.address = address;
    sockets.push(this);
  }

  close() {
    this.isClosed = true;
  }
}

beforeEach(() => {
  now = 0;
  sockets = [];
  taken = [];
  events = new Map();
  answer = null;
  fetched = [];
  mock.timers.enable({ apis: ["setInterval"] });
  mock.method(performance, "now", () => now);
  mock.method(Math, "random", () => 0.5);
  const listen = (name, listener) => events.set(name, listener);
  const replaced = {
    WebSocket: FakeSocket,
    document: { addEventListener: listen, hidden: false },
    addEventListener: listen,
    fetch: async (address) => {
      fetched.push(address);
      if (answer === null) throw new TypeError("no server");
      return answer;
    },
  };
  for (const [name, value] of Object.entries(replaced)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  socket = new SeatSocket({
    onTicks: (ticks) => taken.push(ticks),
    onMessage: (message) => taken.push(message),
    onState: () => {},
  });
  socket.open("ws://host/?token=t");
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  for (const [name, value] of Object.entries(originals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
});

const last = () => sockets[sockets.length - 1];
const receive = (message) => last().onmessage({ data: JSON.stringify(message) });
const lose = (code = 1006, reason = "") => last().onclose({ code, reason });
const pass = (ms) => {
  now += ms;
  mock.timers.tick(250);
};
const settle = () => new Promise((resolve) => setImmediate(resolve));

test("the address is in the page's folder, with code, name and key", () => {
  const seat = { code: "otter 42", name: "Ana & Bo+1", key: "k" };
  const query = "token=otter%2042&name=Ana%20%26%20Bo%2B1&key=k";
  const at = (href) => makeSeatAddress({ href, protocol: `${href.split(":")[0]}:` }, seat);
  assert.equal(at("http://h:8000/otter42?x=1"), `ws://h:8000/?${query}`);
  assert.equal(
    at("https://hub/user/me/proxy/8000/otter42"),
    `wss://hub/user/me/proxy/8000/?${query}`,
  );
});

test("ticks and objects are passed on; what a broken wire delivers is skipped", () => {
  last().onopen();
  assert.equal(socket.state, "live");
  receive([{ symbol: "AAPL", price: 1 }]);
  last().onmessage({ data: "[{" });
  last().onmessage({ data: "null" });
  receive({ type: "note", text: "hello" });
  assert.deepEqual(taken, [[{ symbol: "AAPL", price: 1 }], { type: "note", text: "hello" }]);
  pass(12_000);
  assert.equal(socket.silentS, 12);
});

test("waits grow, differ, and begin again after a steady connection", () => {
  const waits = [];
  for (const _ of [1, 2, 3, 4, 5, 6, 7]) {
    lose();
    assert.equal(socket.state, "reconnecting");
    waits.push(socket.waitS);
    pass(10_000);
  }
  assert.deepEqual(waits, [1, 1, 1, 2, 4, 5, 5]);
  assert.equal(sockets.length, 8);
  receive([]);
  pass(6_000);
  lose(1012);
  assert.deepEqual([socket.failures, socket.reason], [1, "the server restarts"]);
});

test("a refusal shows the server's reason and is tried again slowly", () => {
  lose(1008, "Wrong token");
  assert.deepEqual([socket.state, socket.reason, socket.waitS], ["refused", "Wrong token", 10]);
  pass(10_000);
  assert.equal(socket.state, "refused");
  receive([]);
  assert.equal(socket.reason, "");
});

test("a student whom the teacher has removed comes back only by the button", () => {
  receive([]);
  lose(1008, "removed by the teacher");
  pass(60_000);
  events.get("online")();
  assert.deepEqual([socket.state, sockets.length], ["removed", 1]);
  socket.retry();
  assert.equal(sockets.length, 2);
});

test("a network that is back, or a page that is shown again, ends the wait", () => {
  lose();
  lose(); // a second failure in a row would wait longer
  events.get("online")();
  assert.equal(sockets.length, 2);
});

test("the reason of a refused handshake is asked by HTTP", async () => {
  lose();
  pass(10_000);
  answer = { ok: false, text: async () => "The server is full.\n" };
  lose();
  await settle();
  assert.equal(socket.reason, "The server is full.");
});

test("in a silence the page learns by HTTP what the teacher has done to its wire", async () => {
  socket.open("ws://host/x/?token=a%20b&name=Ana%20%26%20Bo&key=k");
  receive([]);
  const seat = { type: "seat", name: "Ana & Bo", wire: "stalled" };
  answer = { ok: true, text: async () => JSON.stringify(seat) };
  pass(6_500);
  await settle();
  assert.deepEqual(taken[taken.length - 1], seat);
  assert.equal(fetched[0], "http://host/x/a%20b/seat?name=Ana%20%26%20Bo");
  pass(5_000);
  assert.equal(fetched.length, 1);
});

test("in a long silence, a server that does not answer is given up", async () => {
  receive([]);
  answer = { ok: false };
  pass(6_500);
  await settle();
  assert.equal(sockets.length, 1);
  answer = null;
  pass(11_000);
  await settle();
  assert.ok(sockets[0].isClosed);
  assert.equal(socket.state, "reconnecting");
});

test("another seat replaces the connection without a failure", () => {
  socket.open("ws://host/?token=t&name=bo");
  assert.ok(sockets[0].isClosed);
  assert.deepEqual([socket.state, socket.failures, sockets.length], ["connecting", 0, 2]);
});
