/** Words: what a student's page says about its connection, its name and its programs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { chooseNumber } from "../../../../tickerkit/classroom/room/student/price_list.js";
import {
  countPassed,
  describeAsk,
  describePassed,
} from "../../../../tickerkit/classroom/room/student/task_list.js";
import {
  cleanName,
  describeForSpeech,
  describeStatus,
  describeTitle,
  personalise,
} from "../../../../tickerkit/classroom/room/student/words.js";

const QUIET = { state: "live", waitS: 0, silentS: 0, failures: 0, reason: "", seat: null };
const SEAT = { type: "seat", name: "ana", status: "connected, 0 behind", tasks: [], wire: "" };
const describe = (facts) => describeStatus({ ...QUIET, ...facts });

test("the status says what the server reports, what the teacher did, and a long silence", () => {
  assert.equal(describe({}), "connected");
  assert.equal(describe({ seat: SEAT, silentS: 9 }), "connected, 0 behind");
  assert.equal(
    describe({ seat: { ...SEAT, wire: "stalled" }, silentS: 12 }),
    "connected, 0 behind; the teacher has stalled your wire; nothing has come for 12 s",
  );
  assert.match(describe({ seat: { ...SEAT, wire: "dropped" } }), /has cut your wire$/);
});

test("the status of a lost connection says why and when it is tried again", () => {
  const lost = { state: "reconnecting", reason: "the server restarts" };
  assert.equal(describe(lost), "not connected; the server restarts; trying again…");
  assert.equal(
    describe({ ...lost, waitS: 3 }),
    "not connected; the server restarts; next try in 3 s",
  );
  assert.match(describe({ ...lost, failures: 3 }), /are you still in the same wifi\?/);
  assert.equal(describe({ state: "connecting" }), "connecting…");
  const refused = { state: "refused", reason: "Wrong token", waitS: 10 };
  assert.equal(describe(refused), "not connected; Wrong token; next try in 10 s");
  assert.match(describe({ state: "removed" }), /the teacher has closed your connection$/);
});

test("numbers that change all the time are not read aloud", () => {
  const seat = { ...SEAT, status: "connected, 1,204 behind", wire: "stalled" };
  const status = describe({ seat, silentS: 30 });
  assert.equal(describeForSpeech(status), "connected; the teacher has stalled your wire");
  const lost = describe({ state: "reconnecting", reason: "the server restarts", waitS: 3 });
  assert.equal(describeForSpeech(lost), "not connected; the server restarts");
});

test("the tab's title has the first price, or the state", () => {
  const shown = { state: "live", name: "ana", title: "Class 7b", price: "AAPL $187.25" };
  assert.equal(describeTitle({ ...shown, name: "" }), "Class 7b");
  assert.equal(describeTitle(shown), "AAPL $187.25 · ana");
  assert.equal(describeTitle({ ...shown, price: "" }), "ana");
  assert.equal(describeTitle({ ...shown, state: "reconnecting" }), "reconnecting… · ana");
  assert.equal(describeTitle({ ...shown, state: "refused" }), "refused · ana");
  assert.equal(describeTitle({ ...shown, state: "removed" }), "closed · ana");
});

test("a name keeps what can be printed, and 32 characters of it", () => {
  assert.equal(cleanName("  ana \u0007\u202e maria\n"), "ana maria");
  assert.equal(cleanName("\u0000 \t"), "");
  assert.equal([...cleanName("😀".repeat(40))].length, 32);
});

test("programs have the student's own host and name, quoted as their place needs", () => {
  const filled = { host: "192.168.1.20", name: "NAME" };
  const own = { host: "10.0.0.7", name: 'Ana "$&" & Bo' };
  const text = 'ws://192.168.1.20:8000/ticks?token=x&name=NAME join(name="NAME")';
  assert.equal(
    personalise(text, filled, own),
    "ws://10.0.0.7:8000/ticks?token=x&name=Ana%20%22%24%26%22%20%26%20Bo " +
      'join(name="Ana \\"$&\\" & Bo")',
  );
  assert.equal(personalise(text, { host: "", name: "" }, own), text);
});

test("tasks that were passed since are told, and counted", () => {
  const make = (...states) =>
    states.map((state, at) => ({ number: at + 1, title: `t${at + 1}`, state, hint: "" }));
  const before = make("passed", "failed", "open");
  const after = make("passed", "passed", "open");
  assert.equal(describePassed(before, after), "Task 2 passed: t2.");
  assert.equal(describePassed(after, before), "");
  assert.equal(countPassed(after), 2);
});

test("a question is shown in words", () => {
  const ask = { type: "ask", id: 3, question: "count", symbol: "AAPL", from: 100, to: 200 };
  assert.equal(describeAsk(ask), "3: how many ticks has AAPL from 100 to 200?");
  assert.match(describeAsk({ ...ask, question: "min" }), /lowest price of AAPL/);
  assert.match(describeAsk({ ...ask, question: "gap", symbol: null }), /^3: which ticks were miss/);
});

test("a row shows the price, the middle of a quote, or the first measured number", () => {
  assert.deepEqual(chooseNumber({ price: 5, bid: 1 }), { value: 5, column: "" });
  assert.deepEqual(chooseNumber({ price: null, bid: 1, ask: 2 }), { value: 1.5, column: "" });
  assert.deepEqual(chooseNumber({ seq: 7, temperature: 21 }), { value: 21, column: "temperature" });
  assert.equal(chooseNumber({ seq: 7, note: "x" }), null);
});
