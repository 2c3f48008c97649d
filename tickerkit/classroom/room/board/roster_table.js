/**
 * RosterTable: a row for each student, of which only changed cells are drawn again.
 */

import { formatCount, make, setText } from "../../../runtime/page_parts/elements.js";
import { countByTask, countPassed, describeConnection, TASK_SIGNS } from "./roster.js";

/** @import { ClassFacts } from "./messages.d.ts" */
/** @import { Roster, Student } from "./roster.js" */

/** The cells beside name and tasks. @type {[string, string, (student: Student) => string][]} */
const CELLS = [
  ["program", "what is connected", ({ client }) => client],
  ["ping", "the newest round trip in ms", ({ pingMs }) => (pingMs === null ? "" : `${pingMs} ms`)],
  [
    "behind",
    "ticks not sent yet",
    ({ behind, status }) => (status === "away" ? "" : formatCount(behind)),
  ],
  ["drops", "connections that broke off", ({ drops }) => (drops ? String(drops) : "")],
];

export class RosterTable {
  /** The name of the chosen student; "" for all. */
  chosen = "";
  areNamesOff = false;

  #roster;
  #nextName = "";
  #onChoose;
  /** @type {Map<string, TableRow>} */
  #rows = new Map();
  #tasks = 0;

  /**
   * @param {Roster} roster
   * @param {(name: string) => void} onChoose called with the chosen student's name
   */
  constructor(roster, onChoose) {
    this.#roster = roster;
    this.#onChoose = onChoose;
    this.head = make("tr");
    this.body = make("tbody");
    this.empty = make("p", { class: "tb-empty", text: "Nobody is here yet." });
    const table = make("table", {}, [make("thead", {}, [this.head]), this.body]);
    this.element = make("div", { class: "tb-roster", role: "region", tabindex: "0" }, [
      table,
      this.empty,
    ]);
    this.element.setAttribute("aria-label", "Students; arrow keys choose one");
    this.body.addEventListener("click", (event) => this.#onClick(event));
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** @param {ClassFacts} facts */
  setFacts({ tasks }) {
    this.#tasks = tasks.length;
    this.counts = tasks.map(() => make("small"));
    const heads = tasks.map(([number, title], at) =>
      make("span", { class: "tb-dot", title: `${number} ${title}` }, [
        String(number),
        /** @type {HTMLElement[]} */ (this.counts)[at],
      ]),
    );
    const names = ["student", "connection", ...CELLS.map(([name]) => name)];
    const titles = ["", "", ...CELLS.map(([, title]) => title)];
    this.head.replaceChildren(
      ...names.map((text, at) =>
        make("th", { scope: "col", text, title: titles[at] || undefined }),
      ),
      make("th", { scope: "col", class: "tb-dots" }, tasks.length ? heads : ["tasks"]),
      make("th", { scope: "col", text: "passed", title: "how many tasks are passed" }),
      make("th", { scope: "col", text: "back in", title: "mean time from a break to a tick" }),
    );
  }

  /** Draw what has changed. */
  draw() {
    const { changed, students } = this.#roster;
    if (!changed.size) return;
    for (const name of changed) {
      if (this.#roster.find(name)) continue;
      this.#rows.get(name)?.element.remove();
      this.#rows.delete(name);
    }
    let before = /** @type {Element | null} */ (null);
    for (const student of students) {
      let row = this.#rows.get(student.name);
      if (!row) {
        row = new TableRow(student.name);
        this.#rows.set(student.name, row);
      }
      if (changed.has(student.name)) row.draw(student, this.areNamesOff);
      // Only rows whose place is another are moved.
      const next = before ? before.nextElementSibling : this.body.firstElementChild;
      if (next !== row.element) this.body.insertBefore(row.element, next);
      before = row.element;
    }
    changed.clear();
    if (this.chosen && !this.#roster.find(this.chosen)) {
      this.choose(this.#roster.find(this.#nextName) ? this.#nextName : "");
    }
    this.empty.hidden = students.length > 0;
    this.#drawCounts(students);
    this.#updateTabStop();
  }

  /** @param {Student[]} students */
  #drawCounts(students) {
    for (const [at, count] of countByTask(students, this.#tasks).entries()) {
      const element = this.counts?.[at];
      if (element) setText(element, count ? String(count) : "");
    }
  }

  /** Draw all rows again. */
  redraw() {
    for (const { name } of this.#roster.students) this.#roster.changed.add(name);
    this.draw();
  }

  /** @param {string} name that the chosen student is about to have */
  expectName(name) {
    this.#nextName = name;
  }

  /** @param {string} name */
  choose(name) {
    this.chosen = name;
    this.#nextName = "";
    for (const [each, row] of this.#rows) row.mark(each === name);
    this.#updateTabStop();
    this.#onChoose(name);
  }

  /** One button can be reached by Tab; arrow keys reach the others. */
  #updateTabStop() {
    const first = this.chosen || this.#roster.students[0]?.name;
    for (const [each, row] of this.#rows) row.button.tabIndex = each === first ? 0 : -1;
  }

  /** @param {Event} event */
  #onClick(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("tr");
    const name = row?.dataset.name ?? "";
    this.choose(name === this.chosen ? "" : name);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    const { students } = this.#roster;
    if (event.key === "Escape") this.choose("");
    else if (step === undefined || !students.length) return;
    else {
      const at = students.findIndex(({ name }) => name === this.chosen);
      const next = Math.min(Math.max(at + step, 0), students.length - 1);
      const { name } = students[next];
      this.choose(name);
      this.#rows.get(name)?.button.focus();
    }
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to another cell
  }
}

class TableRow {
  /** @param {string} name */
  constructor(name) {
    this.button = make("button", { type: "button", class: "tb-name", "aria-pressed": "false" });
    this.sign = make("span", { "aria-hidden": "true" });
    this.word = make("span");
    this.cells = CELLS.map(() => make("td"));
    this.tasks = make("td", { class: "tb-dots" });
    this.passed = make("td");
    this.score = make("td");
    this.element = make("tr", {}, [
      make("th", { scope: "row" }, [this.button]),
      make("td", { class: "tb-connection" }, [this.sign, " ", this.word]),
      ...this.cells,
      this.tasks,
      this.passed,
      this.score,
    ]);
    this.element.dataset.name = name;
    this.letters = "";
  }

  /**
   * @param {Student} student
   * @param {boolean} areNamesOff
   */
  draw(student, areNamesOff) {
    setText(this.button, areNamesOff ? `student ${student.number}` : student.name);
    const [sign, word] = describeConnection(student);
    setText(this.sign, sign);
    setText(this.word, word);
    this.element.dataset.state = student.wire ? "broken" : student.status;
    for (const [at, [, , describe]] of CELLS.entries()) setText(this.cells[at], describe(student));
    this.#drawTasks(student);
    setText(this.passed, student.tasks ? String(countPassed(student)) : "");
    setText(this.score, student.score === null ? "" : `${student.score.toFixed(1)} s`);
  }

  /** @param {Student} student */
  #drawTasks(student) {
    if (student.tasks === this.letters) return;
    this.letters = student.tasks;
    const dots = [...student.tasks].map((letter) => {
      const [sign] = TASK_SIGNS[letter] ?? TASK_SIGNS["-"];
      return make("span", { class: "tb-dot", "data-task": letter, text: sign });
    });
    const words = [...student.tasks].map((letter, at) => `${at + 1} ${TASK_SIGNS[letter]?.[1]}`);
    this.tasks.title = words.join(", ");
    this.tasks.replaceChildren(
      make("span", { "aria-hidden": "true" }, dots),
      make("span", { class: "tk-unseen", text: `${countPassed(student)} passed` }),
    );
  }

  /** @param {boolean} isChosen */
  mark(isChosen) {
    this.button.setAttribute("aria-pressed", String(isChosen));
    this.element.classList.toggle("tb-chosen", isChosen);
  }
}
