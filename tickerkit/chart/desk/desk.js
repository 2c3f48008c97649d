/**
 * Desk: a dashboard in a page. It takes what the kernel says of feeds, symbols and events, and
 * sends what the user chooses.
 */

import { KernelLink } from "../../runtime/page_parts/kernel_link.js";
import { Presence } from "../../runtime/page_parts/presence.js";
import { Choices } from "./choices.js";
import { DeskView } from "./desk_view.js";
import { Notifier } from "./notifier.js";
import { WatchRows } from "./watch_rows.js";

/** @import { Model } from "../figure/types.d.ts" */
/** @import { DeskChoices, DeskEvent, DeskMenu, FromKernel, FromPage } from "./messages.d.ts" */
/** @import { StatusMessage } from "./messages.d.ts" */

const MAX_KEPT_EVENTS = 200;
/** After how many silent periods the kernel is said to be silent. */
const SILENT_PERIODS = 3;
/** How long not to ask again for lost rows. */
const ASK_EVERY_MS = 2000;

/** One dashboard of a kernel, shared by all of its views in this page. */
export class Desk {
  rows = new WatchRows();
  notifier = new Notifier();
  /** @type {DeskEvent[]} */
  events = [];
  /** @type {StatusMessage | null} */
  status = null;
  heardAt = performance.now();
  /** Whether nothing is known of now: the kernel is gone, busy, or out of reach. */
  isSilent = false;

  #model;
  #kernel;
  #presence;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** @type {Set<DeskView>} */
  #views = new Set();

  /** @param {Model} model */
  constructor(model) {
    this.#model = model;
    this.#kernel = new KernelLink(model, () => this.check());
    this.choices = new Choices(
      () => model.get("_choices"),
      (message) => this.send(message),
      () => this.#update(),
    );
    this.#presence = new Presence(
      (message) => this.send(/** @type {FromPage} */ (message)),
      () => this.#nextEvent,
    );
    model.on("msg:custom", (content) => this.#receive(content));
    model.on("change:_choices", () => this.choices.confirm());
    model.on("change:_menu", () => this.#update());
    // While no page shows it, the kernel sends nothing.
    document.addEventListener("visibilitychange", () => {
      this.heardAt = performance.now();
    });
    for (const name of ["_figure", "_download"]) {
      model.on(`change:${name}`, () => this.#fillSlots());
    }
  }

  get manager() {
    return /** @type {any} */ (this.#model.widget_manager);
  }

  /** @returns {DeskMenu} */
  get menu() {
    return this.#model.get("_menu");
  }

  /** @returns {string} */
  get figure() {
    return this.#model.get("_figure") ?? "";
  }

  /** @returns {string} */
  get download() {
    return this.#model.get("_download") ?? "";
  }

  /** Whether the kernel that made the dashboard is gone. */
  get isLost() {
    return this.#kernel.isLost;
  }

  get #nextEvent() {
    return (this.events[this.events.length - 1]?.number ?? -1) + 1;
  }

  /** @param {FromPage} message */
  send(message) {
    this.#kernel.send(message);
  }

  /** @param {Partial<DeskChoices>} choices */
  choose(choices) {
    this.choices.choose(choices);
  }

  /** Look whether the kernel is silent; once it is not, ask for what was missed. */
  check() {
    const silent_ms = performance.now() - this.heardAt;
    const period_ms = 1000 * (this.status?.every_s ?? 0);
    const isSilent = this.isLost || (period_ms > 0 && silent_ms > SILENT_PERIODS * period_ms);
    if (isSilent === this.isSilent || document.visibilityState === "hidden") return;
    this.isSilent = isSilent;
    if (isSilent) this.rows.expire();
    else this.#presence.ask();
    for (const view of this.#views) view.showStatus();
  }

  /** @param {FromKernel} message */
  #receive(message) {
    const now = performance.now();
    this.heardAt = now;
    this.check();
    if (message.kind === "rows") {
      const { size, hasGaps } = this.rows;
      const isKnown = this.rows.take(message, now);
      if (!isKnown && now - this.#askedAt > ASK_EVERY_MS) {
        this.#askedAt = now;
        this.#presence.ask();
      }
      const isOther =
        message.whole ||
        message.gone.length > 0 ||
        this.rows.size !== size ||
        this.rows.hasGaps !== hasGaps;
      for (const view of this.#views) view.showRows(isOther);
    } else if (message.kind === "status") {
      this.status = message;
      for (const view of this.#views) view.showStatus();
    } else if (message.kind === "events") {
      this.#takeEvents(message.events, message.is_past);
    }
  }

  /**
   * @param {DeskEvent[]} events
   * @param {boolean} isPast
   */
  #takeEvents(events, isPast) {
    const next = this.#nextEvent;
    const fresh = events.filter(({ number }) => number >= next);
    if (!fresh.length) return;
    this.events = [...this.events, ...fresh].slice(-MAX_KEPT_EVENTS);
    if (!isPast) this.notifier.notify(fresh, this.menu.feeds.join(", "));
    // The kernel may have refused a choice.
    if (!isPast && fresh.some(({ type }) => type === "message")) this.choices.drop();
    for (const view of this.#views) view.showEvents(fresh, isPast);
  }

  #update() {
    for (const view of this.#views) view.update();
  }

  #fillSlots() {
    for (const view of this.#views) view.fillSlots();
  }

  /** @param {DeskView} view */
  add(view) {
    this.#views.add(view);
    this.#presence.add();
  }

  /** @param {DeskView} view */
  remove(view) {
    this.#views.delete(view);
    this.#presence.remove();
  }
}

export default () => {
  /** @type {Desk} */
  let desk;
  return {
    /** @param {{model: Model}} props */
    initialize({ model }) {
      desk = new Desk(model);
    },
    /** @param {{el: HTMLElement}} props */
    render({ el }) {
      const view = new DeskView(desk, el);
      desk.add(view);
      return () => {
        desk.remove(view);
        view.remove();
      };
    },
  };
};
