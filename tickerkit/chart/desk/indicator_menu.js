/**
 * Indicator menu: chooses the indicators of the chart from a list, or by typing such as "sma(50)".
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { IconButton } from "./controls.js";

/** @import { IndicatorEntry } from "./messages.d.ts" */

const MARGIN_OF_PANEL_PX = 6;

export class IndicatorMenu {
  #onChoose;
  /** @type {IndicatorEntry[]} */
  #entries = [];
  /** @type {string[]} */
  #chosen = [];
  #typed = "";
  #key = "";

  /** @param {(indicators: string[]) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.button = new IconButton("chart", "Indicators", "indicators of the chart", () =>
      this.#toggle(Boolean(this.panel.hidden)),
    );
    this.count = make("span", { class: "tkd-badge" });
    this.button.element.append(this.count);
    this.button.element.setAttribute("aria-haspopup", "dialog");
    this.input = make("input", {
      type: "text",
      placeholder: "sma(50), or a word to search",
      "aria-label": "an indicator, or a word to search",
      spellcheck: "false",
      autocomplete: "off",
    });
    this.chosen = make("ul", { class: "tkd-chosen", "aria-label": "indicators in the chart" });
    this.list = make("ul", { class: "tkd-entries", "aria-label": "all indicators" });
    this.note = make("p", { class: "tkd-wrong", role: "alert" });
    this.note.hidden = true;
    this.panel = make("div", { class: "tkd-popover", role: "dialog", "aria-label": "indicators" }, [
      this.input,
      this.note,
      this.chosen,
      this.list,
    ]);
    this.panel.hidden = true;
    this.element = make("div", { class: "tkd-indicators" }, [this.button.element, this.panel]);
    this.input.addEventListener("input", () => {
      this.note.hidden = true;
      this.#drawList();
    });
    this.input.addEventListener("keydown", (event) => this.#onInputKey(event));
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      const isInside = this.element.contains(/** @type {Node | null} */ (relatedTarget));
      if (relatedTarget && !isInside) this.#toggle(false);
    });
    this.onPointer = (/** @type {Event} */ event) => {
      if (!event.composedPath().includes(this.element)) this.#toggle(false);
    };
  }

  /**
   * @param {IndicatorEntry[]} entries
   * @param {string[]} chosen
   */
  update(entries, chosen) {
    const key = JSON.stringify([entries.length, chosen]);
    if (key === this.#key) return;
    this.#key = key;
    this.#entries = entries;
    this.#chosen = chosen;
    this.element.hidden = !entries.length && !chosen.length;
    setText(this.count, chosen.length ? String(chosen.length) : "");
    this.button.element.title = chosen.length ? chosen.join(", ") : "indicators of the chart";
    this.chosen.replaceChildren(...chosen.map((text) => this.#makeChip(text)));
    this.chosen.hidden = !chosen.length;
    this.#drawList();
  }

  /** Say why the kernel refused what was typed, which can be mended. @param {string} text */
  explain(text) {
    if (this.panel.hidden || !this.#typed) return;
    setText(this.note, text);
    this.note.hidden = false;
    this.input.value = this.#typed;
    this.#typed = "";
    this.input.select();
  }

  /** @param {boolean} isOpen */
  #toggle(isOpen) {
    if (this.panel.hidden !== isOpen) return;
    this.panel.hidden = !isOpen;
    this.button.element.setAttribute("aria-expanded", String(isOpen));
    const change = isOpen ? "addEventListener" : "removeEventListener";
    document[change]("pointerdown", this.onPointer);
    if (!isOpen) return;
    this.input.value = "";
    this.note.hidden = true;
    this.#drawList();
    this.#place();
    this.input.focus();
  }

  /** Place the panel below the button, within the dashboard. */
  #place() {
    const around = /** @type {HTMLElement} */ (this.panel.offsetParent).getBoundingClientRect();
    const { left, bottom } = this.button.element.getBoundingClientRect();
    const most = around.width - this.panel.offsetWidth - MARGIN_OF_PANEL_PX;
    this.panel.style.left = `${Math.max(0, Math.min(left - around.left, most))}px`;
    this.panel.style.top = `${bottom - around.top + MARGIN_OF_PANEL_PX}px`;
  }

  /** @param {string} text */
  #makeChip(text) {
    const button = make("button", { type: "button", text: `${text} ✕` });
    button.setAttribute("aria-label", `remove ${text}`);
    button.addEventListener("click", () => {
      this.#onChoose(this.#chosen.filter((each) => each !== text));
      this.input.focus();
    });
    return make("li", {}, [button]);
  }

  #drawList() {
    const word = this.input.value.trim().toLowerCase();
    const found = this.#entries.filter((entry) =>
      `${entry.text} ${entry.name} ${entry.description}`.toLowerCase().includes(word),
    );
    this.list.replaceChildren(
      ...found.map(({ text, description }) => {
        const isChosen = this.#chosen.includes(text);
        const button = make("button", { type: "button", "aria-pressed": String(isChosen) }, [
          make("b", { text }),
          make("span", { text: description }),
        ]);
        button.addEventListener("click", () => this.#flip(text));
        return make("li", {}, [button]);
      }),
    );
    if (found.length || !word) return;
    this.list.append(make("li", { class: "tkd-hint", text: `Enter adds ${word} to the chart.` }));
  }

  /** Add an indicator to the chart, or remove it. @param {string} text */
  #flip(text) {
    const others = this.#chosen.filter((each) => each !== text);
    this.#onChoose(others.length < this.#chosen.length ? others : [...this.#chosen, text]);
    this.input.focus(); // the list is drawn again, without the button that had the focus
  }

  /** @param {KeyboardEvent} event */
  #onInputKey(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    const typed = this.input.value.trim();
    this.#typed = typed;
    this.note.hidden = true;
    const buttons = this.list.querySelectorAll("button");
    if (buttons.length === 1) buttons[0].click();
    else if (typed && !this.#chosen.includes(typed)) this.#onChoose([...this.#chosen, typed]);
    this.input.value = "";
    this.#drawList();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.panel.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      this.#toggle(false);
      this.button.element.focus();
    } else if (step) {
      const stops = [this.input, ...this.list.querySelectorAll("button")];
      const at = stops.indexOf(/** @type {HTMLButtonElement} */ (event.target));
      stops[Math.min(Math.max(at + step, 0), stops.length - 1)].focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
