/** The feed: one websocket, opened again whenever it breaks, that resumes where it was. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Feed, makeSocketAddress } from "../../../tickerkit/server/page/feed.js";

const GLOBALS = ["WebSocket", "document", "addEventListener", "fetch", "location"];
const originals = Object.fromEntries(GLOBALS.map((name) => [name, globalThis[name]]));

let now;
let sockets;
let calls;
let events;
let answer;
let feed;

class FakeSocket {
  sent = [];
  isClosed = false;

  constructor(address, protocol) {
    Object.assign(this, { address, protocol });
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }
}

beforeEach(() => {
  now = 0;
  sockets = [];
  calls = { ticks: [], states: [], notes: [], symbols: [], units: [], said: [], restarts: 0 };
  calls.takesNotes = false;
  events = new Map();
  answer = null;
  mock.timers.enable({ apis: ["setInterval"] });
  mock.method(performance, "now", () => now);
  mock.method(Math, "random", () => 0.5);
  mock.method(console, "error", () => {});
  const listen = (name, listener) => events.set(name, listener);
  const replaced = {
    WebSocket: FakeSocket,
    document: { addEventListener: listen, hidden: false },
    addEventListener: listen,
    fetch: async () => {
      if (answer === null) throw new TypeError("no server");
      return answer;
    },
    location: { origin: "https://here" },
  };
  for (const [name, value] of Object.entries(replaced)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  feed = new Feed("ws://host/?token=t", {
    onTick: (tick) => calls.ticks.push(tick),
    onState: (name, wait) => calls.states.push([name, wait]),
    onNote: (text, forMs) => calls.notes.push(forMs === undefined ? text : [text, forMs]),
    onUnits: (units) => calls.units.push(units),
    onSymbols: (symbols) => calls.symbols.push(symbols),
    onRestart: () => calls.restarts++,
    onSaid: ({ text, from }) => calls.said.push([text, from]),
    onNotes: () => {
      calls.takesNotes = true;
    },
  });
  feed.start();
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  for (const [name, value] of Object.entries(originals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
});

const socket = () => sockets.at(-1);
const state = () => calls.states.at(-1);
const receive = (message) => socket().onmessage({ data: JSON.stringify(message) });
const lose = (code = 1006, reason = "") => socket().onclose({ code, reason });
const settle = () => new Promise(setImmediate);

function pass(milliseconds) {
  for (let elapsed = 0; elapsed < milliseconds; elapsed += 250) {
    now += 250;
    mock.timers.tick(250);
  }
}

function greet({ epoch = "e", first = 1, next = 1, symbols = ["AAPL"] } = {}) {
  receive({ type: "hello", protocol: 1, epoch, first, next, symbols, columns: {} });
}

/** Receive trades of AAPL, numbered from `seq`, whose prices are their numbers. */
function trades(seq, count, rest = {}) {
  const numbers = Array.from({ length: count }, (_, i) => seq + i);
  const symbol = { codes: numbers.map(() => 0), from: 0, words: [] };
  receive({ type: "ticks", seq, count, time: [], symbol, price: numbers, ...rest });
}

const prices = () => calls.ticks.map((tick) => tick.price);

/** Fail to connect, again and again. */
async function failTimes(times) {
  for (let time = 0; time < times; time++) {
    lose();
    await settle();
    pass(10_000);
  }
}

test("the websocket's address is beside the page, with its token alone", () => {
  const address = (href) => makeSocketAddress(new URL(href));
  assert.equal(address("http://host:8000/"), "ws://host:8000/");
  assert.equal(address("https://host/user/a/proxy/8000/"), "wss://host/user/a/proxy/8000/");
  assert.equal(address("https://host/p/index.html?token=a%26b&x=1#y"), "wss://host/p/?token=a%26b");
  assert.equal(address("http://host/?patience=60"), "ws://host/?patience=60");
});

for (const [query, seconds] of [
  ["", 9],
  ["?patience=60", 60],
  ["?patience=x", 9],
]) {
  test(`it gives up after ${seconds} s without a message with "${query}" in its address`, () => {
    const feed = new Feed(`ws://host/${query}`, { onState: () => {} });
    feed.start();
    const first = socket();
    pass(seconds * 1000);
    assert.equal(first.isClosed, false);
    pass(500);
    assert.equal(first.isClosed, true);
  });
}

test("it connects with the protocol, and subscribes to all with some history", () => {
  assert.deepEqual([socket().address, socket().protocol], ["ws://host/?token=t", "tickerkit.v1"]);
  assert.deepEqual(state(), ["connecting", 0]);
  greet();
  const { sent } = socket();
  assert.deepEqual(sent, [{ type: "subscribe", symbols: null, resume: null, history: 2000 }]);
  assert.deepEqual(state(), ["live", 0]);
  assert.deepEqual([calls.symbols, calls.restarts], [[["AAPL"]], 1]);
});

test("ticks have their symbols, prices and sides, and those from before are not new", () => {
  greet({ next: 2 });
  const symbol = { codes: [0, 1], from: 1, words: ["MSFT"] };
  const more = { bid: [null, 9], ask: [null, 11], note: { codes: [0, 0], from: 0, words: ["a"] } };
  receive({ type: "ticks", seq: 1, count: 2, time: [1, 1], symbol, price: [5, null], more });
  assert.deepEqual(calls.ticks, [
    { symbol: "AAPL", price: 5, bid: null, ask: null, numbers: [], isNew: false },
    { symbol: "MSFT", price: null, bid: 9, ask: 11, numbers: [], isNew: true },
  ]);
});

test("a tick without a price has its other numbers, but no text, sizes and ids", () => {
  greet();
  const symbol = { codes: [0, 0, 0], from: 1, words: [] };
  const more = {
    temperature: [21.5, null, 3],
    note: { codes: [0, 0, 0], from: 0, words: ["a"] },
    bid_size: [1, 1, 1],
    trade_id: [7, 8, 9],
    humidity: [40, null, 3],
  };
  receive({
    type: "ticks",
    seq: 1,
    count: 3,
    time: [1, 1, 1],
    symbol,
    price: [null, null, 5],
    more,
  });
  assert.deepEqual(
    calls.ticks.map((tick) => tick.numbers),
    [
      [
        ["temperature", 21.5],
        ["humidity", 40],
      ],
      [],
      [],
    ],
  );
});

test("a tick that comes twice counts once, also where the numbers have steps", () => {
  greet();
  trades(1, 3);
  trades(2, 3);
  assert.deepEqual(prices(), [1, 2, 3, 4]);
  trades(4, 3, { steps: [3, 5], price: [4, 7, 12] });
  trades(12, 2);
  assert.deepEqual(prices(), [1, 2, 3, 4, 7, 12, 13]);
});

test("after a loss it connects at once, and resumes after its last tick", () => {
  greet();
  trades(1, 3);
  lose();
  assert.equal(sockets.length, 2);
  greet({ next: 10 });
  assert.deepEqual(socket().sent[0].resume, { epoch: "e", seq: 3 });
  assert.equal(calls.restarts, 1);
});

test("a message that there is nothing new, and a gap, move the position", () => {
  greet();
  receive({ type: "at", seq: 5 });
  receive({ type: "gap", epoch: "e", from: 6, to: 8, reason: "lost" });
  receive({ type: "gap", epoch: "other", from: 1, to: 80, reason: "lost" });
  receive({ type: "gap", epoch: "e", from: 9, to: null, reason: "lost" });
  lose();
  greet({ next: 10 });
  assert.deepEqual(socket().sent[0].resume, { epoch: "e", seq: 8 });
  assert.deepEqual(calls.notes, [
    "Ticks 6 to 8 will never come: lost",
    "Ticks 1 to 80 will never come: lost",
    "Ticks from 9 up to now will never come: lost",
  ]);
});

test("a restart of the server is a note for ten seconds, not a loss of ticks", () => {
  greet();
  trades(1, 3);
  lose(1012, "the server is restarting");
  greet({ epoch: "f" });
  assert.deepEqual(socket().sent[0].resume, { epoch: "e", seq: 3 });
  receive({ type: "gap", epoch: "e", from: 4, to: null, reason: "as after a restart" });
  assert.deepEqual(calls.notes, [
    ["The server was started again; prices go on from here.", 10_000],
  ]);
  trades(1, 1);
  assert.equal(calls.restarts, 2);
  receive({ type: "gap", epoch: "f", from: 2, to: 5, reason: "lost" });
  assert.equal(calls.notes.at(-1), "Ticks 2 to 5 will never come: lost");
});

test("a new epoch restarts, on the same connection too, without a second subscription", () => {
  greet();
  trades(1, 3);
  greet({ epoch: "f", symbols: ["MSFT"] });
  trades(1, 1);
  assert.equal(calls.restarts, 2);
  assert.equal(calls.ticks.at(-1).symbol, "MSFT");
  assert.equal(socket().sent.length, 1);
});

test("far behind, it skips the missed ticks, and a note shows how many", () => {
  greet();
  trades(1, 1);
  lose();
  greet({ next: 200_002 });
  assert.equal(socket().sent[0].resume, null);
  assert.equal(calls.restarts, 2);
  assert.match(calls.notes[0], /200,000 ticks/);
});

test("each try waits up to twice as long as the one before, ten seconds at most", () => {
  lose(); // the first is followed at once
  assert.equal(sockets.length, 2);
  const waits = [];
  while (waits.length < 7) {
    const [start, count] = [now, sockets.length];
    lose();
    while (sockets.length === count) pass(250);
    waits.push(now - start);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 5000, 5000, 5000]); // half of the longest
});

test("a connection that lived long makes its loss a first failure", () => {
  greet();
  lose();
  greet();
  now += 6000;
  lose();
  assert.equal(sockets.length, 3);
});

test("a silent connection is closed, and a network that is back is tried at once", async () => {
  greet();
  const first = socket();
  pass(9_500);
  assert.ok(first.isClosed && first.onclose === null);
  assert.equal(sockets.length, 2);
  lose();
  await settle();
  assert.equal(state()[0], "reconnecting");
  events.get("online")();
  assert.equal(sockets.length, 3);
});

test("a page that is shown again tries at once, a hidden one waits", async () => {
  lose();
  lose();
  await settle();
  document.hidden = true;
  events.get("visibilitychange")();
  assert.equal(sockets.length, 2);
  document.hidden = false;
  events.get("visibilitychange")();
  assert.equal(sockets.length, 3);
});

test("the seconds until the next try are counted down", async () => {
  await failTimes(5);
  lose();
  const seconds = [state()[1]];
  for (let second = 0; second < 3; second++) {
    pass(1000);
    seconds.push(state()[1]);
  }
  assert.deepEqual(seconds, [5, 4, 3, 2]);
});

/** Return what a server answers to an ordinary request. */
const response = (status, text, headers = {}, redirected = false) => ({
  status,
  redirected,
  ok: status < 300,
  headers: new Headers(headers),
  text: async () => text,
});

for (const [what, reply, pattern] of [
  ["a refusal in its own words", response(403, "Not for you."), /^Not for you\.$/],
  ["a full server", response(503, "", { "Tickerkit-Full": "1000" }), /full: 1,000 are connected/],
  ["a proxy in between", response(200, "<html>"), /origins=\["https:\/\/here"\]/],
]) {
  test(`after two failures it shows ${what}`, async () => {
    answer = reply;
    lose();
    await settle();
    assert.deepEqual(calls.notes, []); // it may just be restarting
    lose();
    await settle();
    assert.match(calls.notes[0], pattern);
    assert.equal(state()[0], "refused");
    pass(1000);
    greet();
    assert.deepEqual([state()[0], calls.notes.at(-1)], ["live", ""]);
  });
}

test("a login page that answers, or a server that is down, is no refusal", async () => {
  for (const reply of [response(200, "", {}, true), response(500, ""), null]) {
    answer = reply;
    lose();
    await settle();
    pass(10_000);
  }
  assert.deepEqual(calls.notes, []);
});

test("after a close code for a fault of the page, it waits", () => {
  greet();
  lose(1008);
  assert.equal(sockets.length, 1);
  assert.deepEqual(state(), ["refused", 10]);
});

test("a refusal by close frame is shown at once, and repeated slowly", () => {
  lose(1008, "Wrong token; ask for the new link.");
  assert.deepEqual(calls.notes, ["Wrong token; ask for the new link."]);
  assert.deepEqual(state(), ["refused", 10]);
  assert.equal(sockets.length, 1);
  pass(10_250);
  lose(1008, "Wrong token; ask for the new link.");
  assert.deepEqual([sockets.length, state()], [2, ["refused", 10]]);
  pass(10_250);
  greet();
  assert.deepEqual([state()[0], calls.notes.at(-1)], ["live", ""]);
});

test("an ended feed stays ended while it checks for a new epoch", () => {
  greet();
  receive({ type: "end" });
  assert.deepEqual(state(), ["ended", 0]);
  lose();
  assert.deepEqual(state(), ["ended", 10]);
  pass(10_250);
  greet();
  assert.equal(state()[0], "ended");
  trades(1, 1);
  greet();
  assert.equal(state()[0], "live");
});

test("an error of the server is shown with its hint, and an unknown message ignored", () => {
  greet();
  receive({ type: "error", code: "c", message: "Too many.", hint: "Ask for fewer." });
  receive({ type: "news", text: "of a later version" });
  assert.deepEqual(calls.notes, ["Too many. Ask for fewer."]);
});

test("a message that can't be read leads to a new connection", () => {
  greet();
  const first = socket();
  first.onmessage({ data: "{" });
  assert.ok(first.isClosed);
  assert.equal(sockets.length, 2);
  assert.match(calls.notes[0], /does not understand/);
});

test("what others say comes at any time, also before hello", () => {
  receive({ type: "notes" });
  assert.equal(calls.takesNotes, true);
  receive({ type: "note", text: "look up" });
  greet();
  receive({ type: "note", text: "hello", from: "ana" });
  assert.deepEqual(calls.said, [
    ["look up", undefined],
    ["hello", "ana"],
  ]);
  assert.deepEqual(state(), ["live", 0]);
});

test("a text is sent only while there is a connection", () => {
  assert.equal(feed.say("too early"), false);
  greet();
  assert.equal(feed.say("hello"), true);
  assert.deepEqual(socket().sent.at(-1), { type: "note", text: "hello" });
  lose();
  assert.equal(feed.say("too late"), false);
});
