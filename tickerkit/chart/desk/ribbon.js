/**
 * Ribbon: alerts, gaps and messages, the newest at the top.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { makeIcon } from "./controls.js";
import { formatClock } from "./written_values.js";

/** @import { DeskEvent } from "./messages.d.ts" */

const MAX_EVENTS = 200;
const TYPES = /** @type {const} */ (["alert", "gap", "message"]);
const NOTHING = "Alerts, gaps and messages will be listed here.";

export class Ribbon {
  #onChoose;
  /** @type {DeskEvent[]} */
  #events = [];
  /** Which types are hidden. @type {Set<string>} */
  #hidden = new Set();
  #zone = "UTC";

  /** @param {(event: DeskEvent) => void} onChoose called when the user chooses an event's symbol */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.buttons = TYPES.map((type) => {
      const button = make("button", { type: "button", class: "tkd-type", "data-type": type });
      button.append(makeIcon(type), make("span"));
      button.addEventListener("click", () => this.#flip(type));
      return button;
    });
    this.list = make("ol", { class: "tkd-events", tabindex: "0", "aria-label": "events" });
    this.allow = make("button", { type: "button", class: "tkd-button tkd-allow" });
    this.allow.append(makeIcon("bell"), "Allow notifications");
    this.allow.hidden = true;
    this.spoken = make("div", { class: "tkd-unseen", "aria-live": "polite" });
    const head = make("div", { class: "tkd-ribbon-head" }, [
      ...this.buttons,
      make("span", { class: "tkd-space-between" }),
      this.allow,
    ]);
    this.element = make("section", { class: "tkd-ribbon", "aria-label": "events" }, [
      head,
      this.list,
      this.spoken,
    ]);
    this.#drawAll();
  }

  /** @param {string} zone */
  setZone(zone) {
    if (zone === this.#zone) return;
    this.#zone = zone;
    this.#drawAll();
  }

  /**
   * Show all events, as when the view begins.
   *
   * @param {DeskEvent[]} events the newest last
   */
  fill(events) {
    this.#events = events.slice(-MAX_EVENTS);
    this.#drawAll();
  }

  /**
   * @param {DeskEvent[]} events the newest last
   * @param {boolean} isPast whether they are not to be read out
   */
  add(events, isPast) {
    if (!events.length) return;
    this.#events = [...this.#events, ...events].slice(-MAX_EVENTS);
    if (!this.#events.some(({ number }) => number < events[0].number)) this.#drawAll();
    else for (const event of events) this.#addLine(event, !isPast);
    while (this.list.childElementCount > MAX_EVENTS) this.list.lastElementChild?.remove();
    this.#drawCounts();
    const alerts = isPast ? [] : events.filter(({ type }) => type === "alert");
    if (alerts.length) setText(this.spoken, alerts.map(({ text }) => text).join(". "));
  }

  /** @param {string} type */
  #flip(type) {
    if (!this.#hidden.delete(type)) this.#hidden.add(type);
    this.#drawAll();
  }

  #drawAll() {
    this.list.replaceChildren();
    for (const event of this.#events) this.#addLine(event, false);
    if (!this.list.childElementCount) {
      const text = this.#events.length ? "All events are hidden." : NOTHING;
      this.list.append(make("li", { class: "tkd-none", text }));
    }
    this.#drawCounts();
  }

  #drawCounts() {
    this.element.classList.toggle("tkd-quiet", !this.#events.length);
    this.buttons.forEach((button, at) => {
      const type = TYPES[at];
      const count = this.#events.filter((event) => event.type === type).length;
      const noun = count === 1 ? type : `${type}s`;
      setText(/** @type {HTMLElement} */ (button.children[1]), `${count} ${noun}`);
      button.setAttribute("aria-pressed", String(!this.#hidden.has(type)));
      button.title = `${this.#hidden.has(type) ? "show" : "hide"} ${type}s`;
      button.disabled = count === 0;
    });
  }

  /**
   * @param {DeskEvent} event
   * @param {boolean} isNew
   */
  #addLine(event, isNew) {
    const { type, symbol, text, time_ms } = event;
    if (this.#hidden.has(type)) return;
    const isAtTop = this.list.scrollTop < 2;
    const time = new Date(time_ms);
    const line = make("li", { class: "tkd-event", "data-type": type }, [
      make("time", {
        text: formatClock(time_ms, this.#zone),
        datetime: Number.isNaN(time.getTime()) ? undefined : time.toISOString(),
      }),
      makeIcon(type),
      make("span", { class: "tkd-kind", text: type }),
    ]);
    if (symbol) {
      const button = make("button", { type: "button", class: "tkd-link", text: symbol });
      button.title = `show ${symbol} in the chart`;
      button.addEventListener("click", () => this.#onChoose(event));
      line.append(button);
    }
    // The text stands alone where it is spoken or notified; here its symbol stands before it.
    const said = text.startsWith(`${symbol} `) ? text.slice(symbol.length + 1) : text;
    line.append(make("span", { class: "tkd-said", text: said, title: text }));
    if (isNew) line.classList.add("tkd-new");
    this.list.prepend(line);
    if (isAtTop) this.list.scrollTop = 0;
  }
}
