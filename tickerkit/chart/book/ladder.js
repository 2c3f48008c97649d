/**
 * Ladder: the levels of an order book in a page, the asks above the bids, and their sizes as bars.
 */

import { formatDecimals } from "../../server/page/decimals.js";
import { isDark } from "../figure/theme.js";
import { make, setText } from "../../runtime/page_parts/elements.js";
import { KERNEL_IS_GONE, KernelLink } from "../../runtime/page_parts/kernel_link.js";
import { keepKeys } from "../../runtime/page_parts/keys.js";
import { Presence } from "../../runtime/page_parts/presence.js";
import { arrangeLevels, findSpread } from "./levels.js";

/** @import { Model } from "../figure/types.d.ts" */
/** @import { Level } from "./levels.js" */
/** @import { BookMessage } from "./messages.d.ts" */

const COLUMNS = ["Total", "Bid size", "Price", "Ask size", "Total"];
const HINT = "Arrow keys choose a level, Home goes to the best ones, Escape to none.";

/** A row of the table: its cells hold text of their own. */
class Row {
  cells = COLUMNS.map((_, at) => make("td", { class: at === 2 ? "tk-price" : "tk-size" }));
  element = make("tr", {}, this.cells);

  /**
   * @param {Level | null} level
   * @param {BookMessage} book has the decimals of prices and sizes
   */
  show(level, { decimals, size_decimals }) {
    const { element, cells } = this;
    const size = level ? formatDecimals(level.size, size_decimals) : "";
    const total = level ? formatDecimals(level.total, size_decimals) : "";
    const isBid = level?.side === "bid";
    element.dataset.side = level?.side ?? "";
    element.style.setProperty("--tk-part", `${100 * (level?.part ?? 0)}%`);
    setText(cells[0], isBid ? total : "");
    setText(cells[1], isBid ? size : "");
    setText(cells[2], level ? formatDecimals(level.price, decimals) : "");
    setText(cells[3], isBid ? "" : size);
    setText(cells[4], isBid ? "" : total);
  }
}

/** One place in a page where a ladder is shown. */
class LadderView {
  /** @type {BookMessage | null} */
  #book = null;
  /** @type {(Level | null)[]} */
  #levels = [];
  /** @type {Row[]} */
  #rows = [];
  #chosen = -1; // the row, -1 for none
  #frame = 0; // the pending animation frame, 0 without one
  #isLost = false;

  /** @param {HTMLElement} el */
  constructor(el) {
    this.title = make("b");
    this.status = make("span", { class: "tk-status" });
    this.facts = make("span", { class: "tk-facts" });
    this.body = make("tbody");
    this.caption = make("caption", { class: "tk-unseen" });
    const head = COLUMNS.map((text) => make("th", { scope: "col", text }));
    const table = make("table", {}, [
      this.caption,
      make("thead", {}, [make("tr", {}, head)]),
      this.body,
    ]);
    this.scroller = make("div", { class: "tk-levels", tabindex: "0", role: "group" }, [table]);
    // What is chosen is shown all the time, and said only when a key was pressed.
    this.choice = make("div", { class: "tk-choice", "aria-hidden": "true", text: HINT });
    this.said = make("div", { class: "tk-unseen", role: "status" });
    this.element = make("div", { class: "tk-book", role: "region" }, [
      make("div", { class: "tk-head" }, [this.title, this.status, this.facts]),
      this.scroller,
      this.choice,
      this.said,
    ]);
    this.scroller.addEventListener("keydown", (event) => this.#onKey(event));
    keepKeys(this.element);
    this.watcher = new MutationObserver(() => this.#applyTheme());
    this.watcher.observe(document.body, { attributes: true });
    this.#applyTheme();
    el.append(this.element);
    this.#draw();
  }

  remove() {
    cancelAnimationFrame(this.#frame);
    this.watcher.disconnect();
    this.element.remove();
  }

  /** @param {BookMessage | null} book */
  show(book) {
    this.#book = book;
    this.#request();
  }

  lose() {
    this.#isLost = true;
    this.#request();
  }

  #applyTheme() {
    this.element.classList.toggle("tk-dark", isDark());
  }

  #request() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const book = this.#book;
    const name = book?.symbol || "order book";
    const status = this.#isLost ? "lost" : (book?.status ?? "waiting");
    setText(this.title, name);
    this.element.setAttribute("aria-label", `Order book of ${name}`);
    this.scroller.setAttribute("aria-label", `Levels of ${name}. ${HINT}`);
    setText(this.caption, `The order book of ${name}: asks above bids`);
    this.element.dataset.status = status;
    setText(this.status, `${status === "live" ? "●" : "○"} ${status}`);
    setText(this.facts, this.#isLost ? KERNEL_IS_GONE : describe(book));
    if (!book) return;
    this.#levels = arrangeLevels(book);
    while (this.#rows.length < this.#levels.length) {
      const row = new Row();
      const at = this.#rows.length;
      row.element.addEventListener("click", () => this.#choose(at));
      this.#rows.push(row);
    }
    if (this.#rows.length > this.#levels.length) this.#rows.length = this.#levels.length;
    if (this.body.childElementCount !== this.#rows.length)
      this.body.replaceChildren(...this.#rows.map((row) => row.element));
    this.#rows.forEach((row, at) => {
      row.show(this.#levels[at], book);
      row.element.classList.toggle("tk-first-bid", at === book.levels);
      row.element.classList.toggle("tk-chosen", at === this.#chosen);
    });
    if (this.#chosen >= 0) setText(this.choice, this.#describeChoice());
  }

  #describeChoice() {
    const book = this.#book;
    const level = this.#levels[this.#chosen];
    if (!book || !level) return "no level";
    const [size, total] = [level.size, level.total].map((each) =>
      formatDecimals(each, book.size_decimals),
    );
    const price = formatDecimals(level.price, book.decimals);
    return `${level.side} ${price}: size ${size}, ${total} up to here`;
  }

  /** @param {number} at the row, -1 for none */
  #choose(at) {
    this.#chosen = at;
    if (at < 0) setText(this.choice, HINT);
    this.#draw();
    setText(this.said, at < 0 ? "" : this.#describeChoice());
    this.#rows[at]?.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#book) return;
    const last = this.#levels.length - 1;
    const middle = this.#book.levels;
    const chosen = this.#chosen;
    if (event.key === "ArrowUp") this.#choose(chosen < 0 ? middle - 1 : Math.max(chosen - 1, 0));
    else if (event.key === "ArrowDown")
      this.#choose(chosen < 0 ? middle : Math.min(chosen + 1, last));
    else if (event.key === "Home") this.#choose(middle);
    else if (event.key === "Escape") this.#choose(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Return the spread and the time of a book as text. @param {BookMessage | null} book */
function describe(book) {
  if (!book) return "waiting for the kernel";
  const facts = [book.note];
  const found = findSpread(book);
  if (found) {
    const percent = found.percent === null ? "" : ` (${formatDecimals(found.percent, 3)} %)`;
    facts.push(`spread ${formatDecimals(found.spread, book.decimals)}${percent}`);
  }
  if (book.time_ms !== null)
    facts.push(`${new Date(book.time_ms).toISOString().slice(11, 21)} UTC`);
  return facts.filter(Boolean).join(" · ");
}

export default () => {
  /** @type {Set<LadderView>} */
  const views = new Set();
  /** @type {BookMessage | null} */
  let book = null;
  /** @type {Presence} */
  let presence;
  return {
    /** @param {{model: Model}} props */
    initialize({ model }) {
      const link = new KernelLink(model, () => {
        for (const view of views) view.lose();
      });
      presence = new Presence(
        (message) => link.send(message),
        () => 0,
      );
      model.on("msg:custom", (/** @type {BookMessage} */ message) => {
        book = message;
        for (const view of views) view.show(book);
      });
      return () => link.stop();
    },
    /** @param {{el: HTMLElement}} props */
    render({ el }) {
      const view = new LadderView(el);
      view.show(book);
      views.add(view);
      presence.add();
      return () => {
        views.delete(view);
        presence.remove();
        view.remove();
      };
    },
  };
};
