/** Roster: students in order, lost messages noticed, and words for what their wires do. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  countByTask,
  describeConnection,
  formatLeft,
  Roster,
} from "../../../../tickerkit/classroom/room/board/roster.js";

const row = (name, { tasks = "", score = null, status = "live", wire = "" } = {}) => [
  ...[name, status, "Chrome", 0, 0, 3, tasks, score, wire],
];
const message = (start, stop, rows, gone = [], journal = []) => ({
  ...{ kind: "changes", start, stop, rows, gone, journal, state: {} },
});
const names = (roster) => roster.students.map(({ name }) => name);

test("students are sorted by name as people sort, or by score", () => {
  const roster = new Roster();
  const rows = [row("bo", { tasks: "pp" }), row("Ana 10", { tasks: "p", score: 3 }), row("ana 9")];
  assert.ok(roster.take(message(0, 4, [...rows, row("Zoë", { tasks: "p", score: 7 })])));
  assert.deepEqual(names(roster), ["ana 9", "Ana 10", "bo", "Zoë"]);
  roster.sort("score");
  assert.deepEqual(names(roster), ["bo", "Ana 10", "Zoë", "ana 9"]);
});

test("changes apply, those who go are gone, and numbers stay", () => {
  const roster = new Roster();
  roster.take(message(0, 3, [row("ana"), row("bo")]));
  roster.changed.clear();
  roster.take(message(3, 5, [row("bo", { status: "away" })], ["ana"]));
  assert.deepEqual(names(roster), ["bo"]);
  assert.deepEqual([roster.find("bo").status, roster.find("bo").number], ["away", 2]);
  assert.deepEqual([...roster.changed].sort(), ["ana", "bo"]);
});

test("a lost message is noticed, and all that follows replaces what was there", () => {
  const roster = new Roster();
  roster.take(message(0, 3, [row("ana"), row("bo")], [], [[1, 0, "joined", "ana", ""]]));
  assert.equal(roster.take(message(4, 5, [row("cy")])), false);
  assert.equal(roster.next, 3);
  assert.ok(roster.take(message(0, 9, [row("cy")], [], [[1, 0, "joined", "ana", ""]])));
  assert.deepEqual(names(roster), ["cy"]);
  assert.deepEqual([roster.next, roster.journal.length], [9, 1]);
});

test("a message for another page changes nothing twice", () => {
  const roster = new Roster();
  const first = message(0, 3, [row("ana")], [], [[1, 0, "joined", "ana", ""]]);
  roster.take(first);
  roster.take(message(1, 3, [row("ana")], [], [[1, 0, "joined", "ana", ""]]));
  assert.deepEqual([names(roster), roster.journal.length, roster.next], [["ana"], 1, 3]);
});

test("the journal keeps its newest lines", () => {
  const roster = new Roster();
  const lines = Array.from({ length: 250 }, (_, at) => [at + 1, 0, "joined", "ana", ""]);
  roster.take(message(0, 2, [], [], lines));
  assert.deepEqual([roster.journal.length, roster.journal[0][0]], [200, 51]);
});

test("each state of a connection has its own sign and words", () => {
  const states = [
    ...[row("a"), row("a", { status: "stalled" }), row("a", { status: "away" })],
    ...["stalled", "dropped", "delayed"].map((wire) => row("a", { wire })),
  ].map((each) => {
    const roster = new Roster();
    roster.take(message(0, 2, [each]));
    return describeConnection(roster.students[0]).join(" ");
  });
  const [stalled, dropped, delayed] = ["✂ wire stalled", "✂ wire cut", "✂ wire delayed"];
  assert.deepEqual(states, ["● live", "◐ reads nothing", "○ away", stalled, dropped, delayed]);
});

test("tasks are counted, and the time that is left is told", () => {
  const students = [{ tasks: "pp-" }, { tasks: "pfo" }, { tasks: "" }];
  assert.deepEqual(countByTask(students, 3), [2, 1, 0]);
  assert.equal(formatLeft(200, 8), "3:12 left");
  assert.equal(formatLeft(5, 8), "0:00 left");
  assert.equal(formatLeft(null, 8), "");
});
