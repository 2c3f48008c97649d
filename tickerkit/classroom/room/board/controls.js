/**
 * Controls: what a teacher does with the market, the class, and one student or all.
 */

import { make, setText } from "../../../runtime/page_parts/elements.js";
import { formatLeft } from "./roster.js";

/** @import { ClassFacts, ClassState } from "./messages.d.ts" */
/** @typedef {Record<string, string | number | null>} Arguments */

const SPEEDS = [0.5, 1, 2, 5, 10, 50];
const STALLS = [2, 5, 10, 30];
const CRASHES = [-0.05, -0.1, -0.2, -0.5, 0.2];
const CRASH_S = 30;
/** How long a challenge may last, in minutes; 0 for no end. */
const MINUTES = [0, 5, 10, 20];
/** How long a student who is to be removed can still be spared. */
const CONFIRM_MS = 4000;

export class Controls {
  #give;
  #onEveryone;
  #name = "";
  #isPaused = false;
  #isOn = false;
  #symbols = "";
  /** The elements that need an order which the class may lack. @type {[string, HTMLElement][]} */
  #needing = [];

  /**
   * @param {(name: string, values: Arguments) => void} give gives an order to the class
   * @param {() => void} onEveryone called when the orders are to be for everyone again
   */
  constructor(give, onEveryone) {
    this.#give = give;
    this.#onEveryone = onEveryone;
    this.pause = this.#makeButton("Pause", "pause", () =>
      give(this.#isPaused ? "play" : "pause", {}),
    );
    this.speed = this.#makeSelect(
      "speed",
      "speed",
      SPEEDS.map((each) => [String(each), `× ${each}`]),
    );
    this.speed.addEventListener("change", () =>
      give("speed", { factor: Number(this.speed.value) }),
    );
    this.symbol = this.#makeSelect("symbol that moves", "crash", []);
    this.part = this.#makeSelect(
      "by how much",
      "crash",
      CRASHES.map((each) => [String(each), `${each < 0 ? "−" : "+"}${Math.abs(each * 100)} %`]),
    );
    this.part.value = "-0.2";
    this.crash = this.#makeButton("Crash", "crash", () =>
      give("crash", { symbol: this.symbol.value, part: Number(this.part.value), over: CRASH_S }),
    );
    this.part.addEventListener("change", () =>
      setText(this.crash, Number(this.part.value) < 0 ? "Crash" : "Rise"),
    );
    const parts = [this.pause, this.speed, this.symbol, this.part, this.crash];
    this.market = this.#makeGroup("Market", parts);

    this.challenge = this.#makeSelect("challenge", "challenge", []);
    this.minutes = this.#makeSelect(
      "how long the challenge lasts",
      "challenge",
      MINUTES.map((each) => [String(each), each ? `for ${each} min` : "no end"]),
    );
    this.start = this.#makeButton("Start", "challenge", () => this.#onStart());
    this.left = make("span", { class: "tb-left" });
    const challenge = this.#makeGroup("Challenge", [
      this.challenge,
      this.minutes,
      this.start,
      this.left,
    ]);

    this.who = make("b", { text: "everyone" });
    this.everyone = this.#makeButton("× everyone", "", () => this.#onEveryone());
    this.text = make("input", { type: "text", maxlength: "500", placeholder: "Say something" });
    this.text.setAttribute("aria-label", "text to show");
    const say = make("button", { type: "submit", text: "Say" });
    const saying = make("form", { class: "tb-say" }, [this.text, say]);
    saying.addEventListener("submit", (event) => this.#onSay(event));
    this.stall = this.#makeSelect("stall", "stall", [
      ["", "Stall"],
      ...STALLS.map((each) => /** @type {[string, string]} */ ([String(each), `for ${each} s`])),
    ]);
    this.stall.addEventListener("change", () => this.#onStall());
    this.drop = this.#makeButton("Drop", "drop", () => {
      if (this.#name || this.#isSure(this.drop, "Really all?")) this.#order("drop", {});
    });
    this.kick = this.#makeButton("Remove", "kick", () => {
      if (this.#isSure(this.kick, "Really remove?")) this.#order("kick", {});
    });
    this.rename = make("form", { class: "tb-rename" }, []);
    this.newName = make("input", { type: "text", maxlength: "32", placeholder: "new name" });
    this.newName.setAttribute("aria-label", "new name");
    this.rename.append(this.newName, make("button", { type: "submit", text: "Rename" }));
    this.rename.addEventListener("submit", (event) => this.#onRename(event));
    const student = make("div", { class: "tb-group", role: "group" }, [
      make("span", { class: "tb-label" }, ["To ", this.who]),
      this.everyone,
      saying,
      this.stall,
      this.drop,
      this.rename,
      this.kick,
    ]);
    student.setAttribute("aria-label", "students");
    this.element = make("div", { class: "tb-controls" }, [this.market, challenge, student]);
    this.choose("", "");
  }

  /** @param {ClassFacts} facts */
  setFacts({ orders, challenges }) {
    for (const [order, element] of this.#needing) element.hidden = !orders.includes(order);
    for (const group of this.element.querySelectorAll(".tb-group")) {
      const parts = [...group.querySelectorAll("button, select, input")];
      const isEmpty = parts.every((each) => /** @type {HTMLElement} */ (each).hidden);
      /** @type {HTMLElement} */ (group).hidden = isEmpty;
    }
    this.challenge.replaceChildren(
      ...challenges.map(([value, text]) => make("option", { value, text })),
    );
    this.choose("", "");
  }

  /** @param {ClassState} state */
  draw({ can_steer, paused, speed, symbols, challenge, until }) {
    this.market.hidden = !can_steer;
    this.crash.hidden = this.symbol.hidden = this.part.hidden = !symbols.length;
    this.#isPaused = paused;
    setText(this.pause, paused ? "Play" : "Pause");
    if (document.activeElement !== this.speed) this.speed.value = String(speed);
    if (symbols.join() !== this.#symbols) {
      this.#symbols = symbols.join();
      this.symbol.replaceChildren(...symbols.map((text) => make("option", { value: text, text })));
    }
    this.#isOn = challenge !== "";
    setText(this.start, this.#isOn ? "End" : "Start");
    this.challenge.disabled = this.minutes.disabled = this.#isOn;
    if (this.#isOn) this.challenge.value = challenge;
    setText(this.left, this.#isOn ? formatLeft(until, Date.now() / 1000) : "");
  }

  /**
   * Give the following orders about a student, or about all with "".
   *
   * @param {string} name
   * @param {string} shown what the student is called on the board
   */
  choose(name, shown) {
    this.#name = name;
    setText(this.who, name ? shown : "everyone");
    this.everyone.hidden = this.rename.hidden = this.kick.hidden = !name;
    this.newName.value = "";
    this.#resetSure();
  }

  /**
   * @param {string} order
   * @param {Arguments} values
   */
  #order(order, values) {
    this.#give(order, this.#name ? { ...values, name: this.#name } : values);
  }

  /** @param {Event} event */
  #onSay(event) {
    event.preventDefault();
    if (!this.text.value.trim()) return;
    this.#order("say", { text: this.text.value.trim() });
    this.text.value = "";
  }

  #onStart() {
    const minutes = Number(this.minutes.value) || null;
    if (this.#isOn) this.#give("end", {});
    else this.#give("challenge", { which: this.challenge.value, minutes });
  }

  #onStall() {
    const seconds = Number(this.stall.value);
    this.stall.value = "";
    if (seconds) this.#order("stall", { seconds });
  }

  /** @param {Event} event */
  #onRename(event) {
    event.preventDefault();
    const text = this.newName.value.trim();
    if (text) this.#order("rename", { new: text });
  }

  /**
   * Return whether a button is pressed for the second time; the first press shows the question.
   *
   * @param {HTMLElement} button
   * @param {string} question
   */
  #isSure(button, question) {
    const isSure = button.dataset.sure === "yes";
    this.#resetSure();
    if (isSure) return true;
    button.dataset.sure = "yes";
    setText(button, question);
    setTimeout(() => this.#resetSure(), CONFIRM_MS);
    return false;
  }

  #resetSure() {
    setText(this.drop, "Drop");
    setText(this.kick, "Remove");
    delete this.drop.dataset.sure;
    delete this.kick.dataset.sure;
  }

  /**
   * @param {string} text
   * @param {string} order that it gives; "" for none
   * @param {() => void} onClick
   */
  #makeButton(text, order, onClick) {
    const button = make("button", { type: "button", text });
    button.addEventListener("click", onClick);
    if (order) this.#needing.push([order, button]);
    return button;
  }

  /**
   * @param {string} label
   * @param {string} order that it gives
   * @param {[string, string][]} entries value and text
   */
  #makeSelect(label, order, entries) {
    const options = entries.map(([value, text]) => make("option", { value, text }));
    const select = make("select", {}, options);
    select.setAttribute("aria-label", label);
    this.#needing.push([order, select]);
    return select;
  }

  /**
   * @param {string} label
   * @param {HTMLElement[]} parts
   */
  #makeGroup(label, parts) {
    const text = make("span", { class: "tb-label", text: label });
    const group = make("div", { class: "tb-group", role: "group" }, [text, ...parts]);
    group.setAttribute("aria-label", label);
    return group;
  }
}
