/**
 * Board: a class in a page. It takes the kernel's changes, and sends it the teacher's orders.
 */

import { isDark } from "../../../chart/figure/theme.js";
import { formatCount, make, setText } from "../../../runtime/page_parts/elements.js";
import { keepKeys } from "../../../runtime/page_parts/keys.js";
import { Presence } from "../../../runtime/page_parts/presence.js";
import { Controls } from "./controls.js";
import { Joining } from "./joining.js";
import { Roster } from "./roster.js";
import { RosterTable } from "./roster_table.js";

/** @import { Model } from "../../../chart/figure/types.d.ts" */
/** @import { ClassFacts, ClassState, FromKernel, FromPage } from "./messages.d.ts" */
/** @import { JournalRow } from "./roster.js" */

const SECOND_MS = 1000;

/** One board of a kernel, shared by all of its views in this page. */
class Board {
  /** @type {ClassFacts | null} */
  facts = null;
  /** @type {ClassState | null} */
  state = null;
  next = 0;

  #model;
  #presence;
  /** @type {Set<BoardView>} */
  #views = new Set();
  #orders = 0;

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
    this.#presence = new Presence(
      (message) => this.#send(message),
      () => (this.facts ? this.next : 0),
    );
    model.on("msg:custom", (content) => this.#receive(content));
  }

  /** @param {FromPage} message */
  #send(message) {
    this.#model.send(message);
  }

  /**
   * @param {string} name
   * @param {Record<string, string | number | null>} values
   */
  order(name, values) {
    this.#send({
      kind: "order",
      id: `${this.#presence.page}-${this.#orders++}`,
      name,
      arguments: values,
    });
  }

  /** @param {FromKernel} message */
  #receive(message) {
    if (message.kind === "class") {
      this.facts = message.facts;
      for (const view of this.#views) view.setFacts(message.facts);
    } else if (message.kind === "changes") {
      this.state = message.state;
      const views = [...this.#views];
      const isComplete = views.map((view) => view.roster.take(message)).every(Boolean);
      for (const view of views) view.request();
      if (isComplete) this.next = message.stop;
      else this.#ask();
    } else if (message.id.startsWith(`${this.#presence.page}-`)) {
      for (const view of this.#views) view.showAnswer(message.text, message.ok);
    }
  }

  /** Ask for all; a new view has nothing. */
  #ask() {
    this.#send({ kind: "here", page: this.#presence.page, from: 0 });
  }

  /** @param {BoardView} view */
  add(view) {
    this.#views.add(view);
    if (this.facts) view.setFacts(this.facts);
    this.#presence.add();
    if (this.#views.size > 1) this.#ask();
  }

  /** @param {BoardView} view */
  remove(view) {
    this.#views.delete(view);
    this.#presence.remove();
  }
}

/** One place in a page where a board is shown. */
class BoardView {
  roster = new Roster();

  #board;
  #frame = 0; // the pending animation frame, 0 without one
  #lastLine = 0; // the number of the newest line of the journal that is drawn
  #timer;

  /**
   * @param {Board} board
   * @param {HTMLElement} el
   */
  constructor(board, el) {
    this.#board = board;
    this.joining = new Joining();
    this.table = new RosterTable(this.roster, (name) => this.#onChoose(name));
    this.controls = new Controls(
      (name, values) => this.#order(name, values),
      () => this.table.choose(""),
    );
    this.title = make("h3");
    this.status = make("span", { class: "tb-status" });
    this.numbers = make("span", { class: "tb-numbers" });
    this.answer = make("p", { class: "tb-answer", role: "status" });
    const address = this.#makeSwitch("Address", true, (isOn) => {
      this.joining.element.hidden = !isOn;
    });
    const names = this.#makeSwitch("Names", true, (isOn) => this.#showNames(isOn));
    const byScore = this.#makeSwitch("By score", false, (isOn) => {
      this.roster.sort(isOn ? "score" : "name");
      this.table.redraw();
    });
    const head = make("header", { class: "tb-head" }, [
      this.title,
      this.status,
      this.numbers,
      make("span", { class: "tb-switches" }, [address, names, byScore]),
    ]);
    this.journal = make("ol", { class: "tb-lines" });
    const journal = make("section", { class: "tb-journal", tabindex: "0" }, [
      make("h4", { text: "Journal" }),
      this.journal,
    ]);
    journal.setAttribute("aria-label", "Journal");
    const columns = make("div", { class: "tb-columns" }, [this.table.element, journal]);
    const parts = [head, this.joining.element, this.controls.element, this.answer, columns];
    this.element = make("div", { class: "tb-board", role: "region" }, parts);
    this.element.setAttribute("aria-label", "class");
    keepKeys(this.element);
    this.watcher = new MutationObserver(() => this.#applyTheme());
    this.watcher.observe(document.body, { attributes: true });
    this.#applyTheme();
    this.#timer = setInterval(() => this.request(), SECOND_MS); // the time that is left
    el.append(this.element);
    this.request();
  }

  remove() {
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#timer);
    this.watcher.disconnect();
    this.element.remove();
  }

  /** @param {ClassFacts} facts */
  setFacts(facts) {
    setText(this.title, `Class ${facts.code}`);
    this.joining.setFacts(facts);
    this.table.setFacts(facts);
    this.controls.setFacts(facts);
  }

  #applyTheme() {
    this.element.classList.toggle("tb-dark", isDark());
  }

  /**
   * @param {string} text
   * @param {boolean} isOn at first
   * @param {(isOn: boolean) => void} onChange
   */
  #makeSwitch(text, isOn, onChange) {
    const button = make("button", { type: "button", "aria-pressed": String(isOn), text });
    button.addEventListener("click", () => {
      const isNowOn = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isNowOn));
      onChange(isNowOn);
    });
    return button;
  }

  /** @param {boolean} areShown */
  #showNames(areShown) {
    this.table.areNamesOff = !areShown;
    this.table.redraw();
    this.#onChoose(this.table.chosen);
    this.#lastLine = 0;
    this.request();
  }

  /** @param {string} name */
  #shownName(name) {
    const student = this.roster.find(name);
    if (!this.table.areNamesOff) return name;
    return student ? `student ${student.number}` : "a student";
  }

  /** @param {string} name */
  #onChoose(name) {
    this.controls.choose(name, this.#shownName(name));
  }

  /**
   * @param {string} name
   * @param {Record<string, string | number | null>} values
   */
  #order(name, values) {
    setText(this.answer, "…");
    if (name === "rename") this.table.expectName(String(values.new));
    this.#board.order(name, values);
  }

  /**
   * @param {string} text
   * @param {boolean} isOk
   */
  showAnswer(text, isOk) {
    this.answer.classList.toggle("tb-refused", !isOk);
    this.answer.textContent = isOk ? text : `✗ ${text}`;
  }

  request() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const { state } = this.#board;
    if (!state) {
      setText(this.status, "waiting for the kernel");
      return;
    }
    this.status.dataset.status = state.status;
    setText(this.status, `● ${state.status === "listening" ? "open" : state.status}`);
    const count = formatCount(state.students);
    setText(this.numbers, `${formatCount(state.connected)} here of ${count}`);
    this.joining.draw(state);
    this.controls.draw(state);
    this.table.draw();
    this.#drawJournal();
  }

  /** Add the lines that are new; the newest is first. */
  #drawJournal() {
    const { journal } = this.roster;
    if (!journal.length || this.#lastLine === 0) this.journal.replaceChildren();
    for (const row of journal) {
      if (row[0] > this.#lastLine) this.journal.prepend(this.#makeLine(row));
    }
    this.#lastLine = journal[journal.length - 1]?.[0] ?? 0;
    while (this.journal.childElementCount > journal.length) this.journal.lastElementChild?.remove();
  }

  /** @param {JournalRow} row */
  #makeLine([, time, event, name, rest]) {
    const clock = new Date(time * 1000).toLocaleTimeString([], { hour12: false });
    /** @type {(Node | string)[]} */
    const parts = [make("time", { text: clock }), " "];
    if (name) parts.push(make("b", { text: this.#shownName(name) }), " ");
    const isPrivate = this.table.areNamesOff;
    parts.push(event, rest && !isPrivate ? make("span", { text: ` ${rest}` }) : "");
    return make("li", {}, parts);
  }
}

export default () => {
  /** @type {Board} */
  let board;
  return {
    /** @param {{model: Model}} props */
    initialize({ model }) {
      board = new Board(model);
    },
    /** @param {{el: HTMLElement}} props */
    render({ el }) {
      const view = new BoardView(board, el);
      board.add(view);
      return () => {
        board.remove(view);
        view.remove();
      };
    },
  };
};
