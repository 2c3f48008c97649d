/**
 * Roster: the students of a class, sorted, and the newest lines of its journal.
 */

/** @import { ChangesMessage } from "./messages.d.ts" */
/** @typedef {ChangesMessage["rows"][number]} SeatRow */
/** @typedef {ChangesMessage["journal"][number]} JournalRow */

/** How many lines of the journal a page keeps. */
const MAX_LINES = 200;

/**
 * A student. `number` is what stands for the name while names are off.
 *
 * @typedef {{name: string, number: number, status: string, client: string, drops: number,
 *   behind: number, pingMs: number | null, tasks: string, score: number | null,
 *   wire: string}} Student
 */

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** @type {Record<string, (a: Student, b: Student) => number>} */
const ORDERS = {
  name: (a, b) => collator.compare(a.name, b.name),
  // The score is in seconds, the fewer the better; without one a student comes last.
  score: (a, b) => {
    const [first, second] = [a.score ?? Infinity, b.score ?? Infinity];
    const bySeconds = first === second ? 0 : first - second;
    return countPassed(b) - countPassed(a) || bySeconds || ORDERS.name(a, b);
  },
};

/** @param {Student} student */
export const countPassed = ({ tasks }) => tasks.split("p").length - 1;

export class Roster {
  /** The change that comes next; 0 before the first. */
  next = 0;
  /** The newest last. @type {JournalRow[]} */
  journal = [];
  /** Those who have changed since they were drawn. @type {Set<string>} */
  changed = new Set();

  /** @type {Map<string, Student>} */
  #students = new Map();
  /** @type {Student[] | null} */
  #sorted = null;
  #order = "name";
  #count = 0; // of all students so far

  /** @param {string} name */
  find(name) {
    return this.#students.get(name);
  }

  /** The students in their order. */
  get students() {
    this.#sorted ??= [...this.#students.values()].sort(ORDERS[this.#order]);
    return this.#sorted;
  }

  /** @param {string} order "name" or "score" */
  sort(order) {
    this.#order = order;
    this.#sorted = null;
  }

  /**
   * Take a message; return whether it follows what has come so far.
   *
   * @param {ChangesMessage} message
   */
  take({ start, stop, rows, gone, journal }) {
    if (start === 0) {
      for (const name of this.#students.keys()) this.changed.add(name);
      this.#students.clear();
      this.journal = [];
      this.#sorted = null;
    } else if (start > this.next) {
      return false;
    }
    for (const name of gone) {
      this.#students.delete(name);
      this.changed.add(name);
      this.#sorted = null;
    }
    for (const row of rows) this.#put(row);
    const newest = this.journal[this.journal.length - 1]?.[0] ?? 0;
    this.journal.push(...journal.filter(([number]) => number > newest));
    this.journal = this.journal.slice(-MAX_LINES);
    this.next = start === 0 ? stop : Math.max(this.next, stop);
    return true;
  }

  /** @param {SeatRow} row */
  #put([name, status, client, drops, behind, pingMs, tasks, score, wire]) {
    const known = this.#students.get(name);
    const number = known?.number ?? ++this.#count;
    const rest = { status, client, drops, behind, pingMs, tasks, score, wire };
    if (!known) this.#students.set(name, { name, number, ...rest });
    else Object.assign(known, rest);
    if (!known || this.#order === "score") this.#sorted = null;
    this.changed.add(name);
  }
}

/** What a task's letter looks like and means: colour is never the only sign.
 *  @type {Record<string, [string, string]>} */
export const TASK_SIGNS = {
  p: ["●", "passed"],
  f: ["◐", "tried"],
  o: ["○", "open"],
  "-": ["·", "not given"],
};

/** What the teacher, or the challenge, has done. @type {Record<string, string>} */
const WIRES = { stalled: "wire stalled", dropped: "wire cut", delayed: "wire delayed" };

/**
 * Return what a student's connection is doing: a sign and words.
 *
 * @param {Student} student
 * @returns {[string, string]}
 */
export function describeConnection({ status, wire }) {
  if (wire) return ["✂", WIRES[wire] ?? wire];
  if (status === "live") return ["●", "live"];
  return status === "stalled" ? ["◐", "reads nothing"] : ["○", status];
}

/**
 * Return how many students have passed each task, as a share.
 *
 * @param {Student[]} students
 * @param {number} count of tasks
 */
export function countByTask(students, count) {
  return Array.from({ length: count }, (_, at) =>
    students.reduce((sum, { tasks }) => sum + (tasks[at] === "p" ? 1 : 0), 0),
  );
}

/**
 * Return the time that is left, as minutes and seconds.
 *
 * @param {number | null} until in seconds since 1970
 * @param {number} now likewise
 */
export function formatLeft(until, now) {
  if (until === null) return "";
  const left = Math.max(0, Math.round(until - now));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
}
