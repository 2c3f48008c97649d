/**
 * StarterTabs: the starter programs, one tab each, with the student's address and name in them.
 */

import { make, setText } from "../../../runtime/page_parts/elements.js";
import { copyText } from "./copying.js";
import { personalise } from "./words.js";

/** @import { Facts, StarterText } from "./messages.d.ts" */

/** Which starter each arrow key chooses from one at an index. */
const STEPS = /** @type {Record<string, (at: number, count: number) => number>} */ ({
  ArrowRight: (at, count) => (at + 1) % count,
  ArrowLeft: (at, count) => (at + count - 1) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
});

export class StarterTabs {
  #facts;
  #parts;
  #own;
  #chosen = 0;
  /** @type {HTMLButtonElement[]} */
  #tabs = [];

  /**
   * @param {Facts} facts
   * @param {(id: string) => HTMLElement} find finds an element of the page
   * @param {{host: string, name: string}} own
   */
  constructor(facts, find, own) {
    this.#facts = facts;
    this.#own = own;
    this.#parts = {
      panel: find("program"),
      run: find("program-run"),
      code: find("code"),
      copied: find("copied"),
    };
    this.#tabs = facts.starters.map((starter, at) => this.#makeTab(starter, at));
    find("tabs").append(...this.#tabs);
    find("tabs").addEventListener("keydown", (event) => this.#onKey(event));
    find("copy").addEventListener("click", () => this.#copy());
    this.#draw();
  }

  /** Write another name into the programs. @param {string} name */
  rename(name) {
    if (this.#own.name === name) return;
    this.#own = { ...this.#own, name };
    this.#draw();
  }

  /**
   * @param {StarterText} starter
   * @param {number} at
   */
  #makeTab({ key, title }, at) {
    const attributes = {
      type: "button",
      role: "tab",
      id: `tab-${key}`,
      "aria-controls": "program",
    };
    const tab = make("button", { ...attributes, text: title });
    tab.addEventListener("click", () => this.#choose(at));
    return tab;
  }

  /** @param {number} at */
  #choose(at) {
    this.#chosen = at;
    setText(this.#parts.copied, "");
    this.#draw();
  }

  #draw() {
    const starter = this.#facts.starters[this.#chosen];
    for (const [at, tab] of this.#tabs.entries()) {
      tab.setAttribute("aria-selected", String(at === this.#chosen));
      tab.tabIndex = at === this.#chosen ? 0 : -1;
    }
    this.#parts.panel.setAttribute("aria-labelledby", `tab-${starter.key}`);
    setText(this.#parts.run, starter.run);
    setText(this.#parts.code, personalise(starter.text, this.#facts, this.#own));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    this.#choose(step(this.#chosen, this.#tabs.length));
    this.#tabs[this.#chosen].focus();
  }

  async #copy() {
    const isCopied = await copyText(this.#parts.code);
    const advice = "Selected: copy it with Ctrl+C, or press it for long.";
    setText(this.#parts.copied, isCopied ? "Copied." : advice);
  }
}
