/**
 * TaskList: the student's tasks, and what the server asks.
 */

import { make } from "../../../runtime/page_parts/elements.js";

/** @import { AskMessage, Facts, SeatMessage } from "./messages.d.ts" */
/** @typedef {SeatMessage["tasks"][number]} Task */

/** The sign and the word of each state: colour is never the only sign.
 *  @type {Record<string, [string, string]>} */
const STATES = {
  passed: ["✓", "passed"],
  failed: ["✗", "not yet"],
  open: ["○", "open"],
};

/** How many questions are shown. */
const MAX_QUESTIONS = 5;

/** @param {Task[]} tasks */
export const countPassed = (tasks) => tasks.filter(({ state }) => state === "passed").length;

/**
 * Return the tasks that have been passed since, as a sentence; "" without one.
 *
 * @param {Task[]} before
 * @param {Task[]} after
 */
export function describePassed(before, after) {
  const passed = new Set(before.filter(({ state }) => state === "passed").map((t) => t.number));
  const added = after.filter(({ state, number }) => state === "passed" && !passed.has(number));
  return added.map(({ number, title }) => `Task ${number} passed: ${title}.`).join(" ");
}

/** What is asked about the ticks of a symbol. @type {Record<string, string>} */
const ASKED = {
  count: "how many ticks has",
  min: "what is the lowest price of",
  last: "what is the last price of",
};

/**
 * Return a question in words.
 *
 * @param {AskMessage} ask
 */
export function describeAsk({ id, question, symbol, from, to }) {
  const asked = ASKED[question];
  if (!asked) return `${id}: which ticks were missing in the last gap, from and to?`;
  return `${id}: ${asked} ${symbol} from ${from} to ${to}?`;
}

/**
 * Return the items of the list. What to do is told of the next task; a phone is small.
 *
 * @param {Task[]} tasks
 * @param {Facts["tasks"]} texts
 */
export function makeItems(tasks, texts) {
  const next = tasks.find(({ state }) => state !== "passed");
  return tasks.map((task) => {
    const { number, title, state, hint } = task;
    const [sign, word] = STATES[state] ?? ["·", state];
    const text = texts.find((each) => each.number === number)?.text;
    // Until a program has begun a task, its hint is its text.
    const isNews = hint && hint !== text && state !== "passed";
    const parts = [
      make("span", { class: "task-title", text: `${number} ${title}` }),
      make("span", { class: "task-state", text: word }),
      ...(text && task === next ? [make("span", { class: "task-text", text })] : []),
      ...(isNews ? [make("span", { class: "task-hint", text: hint })] : []),
    ];
    const mark = make("span", { class: "task-sign", "aria-hidden": "true", text: sign });
    return make("li", { "data-state": state }, [mark, make("div", {}, parts)]);
  });
}

/**
 * Add a question to a list; the newest is first.
 *
 * @param {HTMLElement} list
 * @param {AskMessage} ask
 */
export function addQuestion(list, ask) {
  list.prepend(make("li", { text: describeAsk(ask) }));
  while (list.children.length > MAX_QUESTIONS) list.lastElementChild?.remove();
}
