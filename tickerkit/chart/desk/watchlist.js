/**
 * Watchlist: the rows of all symbols as a grid. Only those in view are elements.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { FILTER_HELP, parseRowFilter } from "./row_filter.js";
import { TextWidths } from "./text_widths.js";
import { ColumnWidths, fitColumns, listColumns } from "./watch_columns.js";
import { RowElement } from "./watch_row.js";

/** @import { DeskChoices, DeskMenu } from "./messages.d.ts" */
/** @import { DeskColors } from "./spark.js" */
/** @import { WatchColumn } from "./watch_columns.js" */
/** @import { WatchRow, WatchRows } from "./watch_rows.js" */

/** The height of a row and of the headings in pixels, as watchlist.css has it. */
export const ROW_PX = 26;
/** How many rows beyond the edges are drawn, so that scrolling shows no white. */
const MARGIN_ROWS = 4;
/** How much wider the trend is where there is room. */
const MAX_MORE_SPARK_PX = 60;
/** How often the rows are put in order again while their numbers change. */
const SORT_EVERY_MS = 1000;
const KEYS = ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"];

/** @typedef {(choices: Partial<DeskChoices>) => void} Choose */

export class Watchlist {
  #rows;
  #choose;
  /** @type {WatchColumn[]} */
  #allColumns = [];
  /** @type {WatchColumn[]} */
  #columns = [];
  #widths;
  #texts = new TextWidths();
  #measured = 0; // the count of the rows' changes up to which texts are measured
  /** @type {WatchRow[]} */
  #order = [];
  #orderedAt = 0;
  #isOrdered = false;
  #isHovered = false;
  /** The row under the cursor of the keyboard. @type {WatchRow | undefined} */
  #cursor;
  /** By their rows. @type {Map<WatchRow, RowElement>} */
  #shown = new Map();
  /** @type {RowElement[]} */
  #spare = [];
  /** @type {Pick<DeskChoices, "sort" | "descending" | "filter" | "feed" | "symbol" | "column">} */
  #choices = {
    sort: "",
    descending: false,
    filter: "",
    feed: 0,
    symbol: null,
    column: "price",
  };
  /** @type {(row: WatchRow) => boolean} */
  #test = () => true;
  #empty = "";
  #id = `tkd-${Math.random().toString(36).slice(2)}`;
  /** @type {DeskColors} */
  #colors = { rise: "", fall: "", flat: "", base: "", riseTint: "", fallTint: "" };

  /**
   * @param {WatchRows} rows
   * @param {Choose} choose
   */
  constructor(rows, choose) {
    this.#rows = rows;
    this.#choose = choose;
    this.#widths = new ColumnWidths(this.#texts);
    this.filter = make("input", {
      type: "search",
      class: "tkd-filter",
      placeholder: "Filter",
      spellcheck: "false",
      autocomplete: "off",
      title: `${FILTER_HELP} (/)`,
      "aria-label": "filter of symbols",
    });
    this.filter.addEventListener("input", () => choose({ filter: this.filter.value }));
    this.count = make("span", { class: "tkd-count", role: "status" });
    this.head = make("div", { role: "row", class: "tkd-row tkd-headings", "aria-rowindex": "1" });
    this.space = make("div", { role: "rowgroup", class: "tkd-space" });
    this.note = make("p", { class: "tkd-nothing" });
    this.grid = make("div", { role: "grid", class: "tkd-grid", tabindex: "0" }, [
      make("div", { role: "rowgroup", class: "tkd-top" }, [this.head]),
      this.space,
    ]);
    this.grid.setAttribute("aria-label", "watchlist: arrows and Enter choose the chart's symbol");
    this.element = make("section", { class: "tkd-watchlist", "aria-label": "watchlist" }, [
      make("div", { class: "tkd-tools" }, [this.filter, this.count]),
      this.grid,
      this.note,
    ]);
    this.grid.addEventListener("scroll", () => this.#drawRows(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.space.addEventListener("click", (event) => this.#onClick(event));
    this.space.addEventListener("pointerenter", () => (this.#isHovered = true));
    this.space.addEventListener("pointerleave", () => (this.#isHovered = false));
  }

  /**
   * Show what is chosen.
   *
   * @param {DeskChoices} choices
   * @param {DeskMenu} menu
   */
  update(choices, menu) {
    const { filter } = choices;
    if (document.activeElement !== this.filter && this.filter.value !== filter) {
      this.filter.value = filter;
    }
    this.#choices = choices;
    this.#test = parseRowFilter(filter, (feed) => menu.feeds[feed] ?? "");
    this.#isOrdered = false;
    const columns = listColumns(menu, choices.column, this.#rows);
    const name = (/** @type {WatchColumn[]} */ all) => all.map(({ key, label }) => key + label);
    if (name(columns).join() !== name(this.#allColumns).join()) {
      this.#allColumns = columns;
      this.#widths.clear();
      this.#measured = -1;
    }
  }

  /** Say why there are no rows. @param {string} text */
  explain(text) {
    this.#empty = text;
  }

  /** @param {DeskColors} colors */
  setColors(colors) {
    if (JSON.stringify(colors) === JSON.stringify(this.#colors)) return;
    this.#colors = colors;
    for (const each of [...this.#shown.values(), ...this.#spare]) each.forget();
  }

  /**
   * Choose the columns for a room; return how wide they are.
   *
   * @param {number} room in pixels
   */
  fit(room) {
    this.#texts.setFont(this.grid);
    this.#measure();
    const widthOf = (/** @type {WatchColumn} */ column) => this.#widths.of(column);
    const { columns, width } = fitColumns(this.#allColumns, widthOf, room);
    const more = Math.max(0, Math.min(room - width, MAX_MORE_SPARK_PX));
    const template = columns
      .map((column) => {
        const size = `${widthOf(column)}px`;
        return column.key === "spark" ? `minmax(${size}, 1fr)` : size;
      })
      .join(" ");
    this.grid.style.setProperty("--tkd-columns", template);
    if (columns.map(({ key }) => key).join() !== this.#columns.map(({ key }) => key).join()) {
      this.#columns = columns;
      for (const each of [...this.#shown.values(), ...this.#spare]) each.element.remove();
      this.#shown.clear();
      this.#spare = [];
      this.grid.setAttribute("aria-colcount", String(columns.length));
    }
    this.#drawHeadings();
    for (const each of this.#shown.values()) each.forget();
    return width + more;
  }

  /** Measure the rows that changed; return whether a column is wider now. */
  #measure() {
    if (this.#measured === this.#rows.changes) return false;
    let isWider = false;
    const now = performance.now();
    for (const row of this.#rows.all()) {
      if (row.changed <= this.#measured) continue;
      isWider = this.#widths.take(this.#allColumns, row, now) || isWider;
    }
    this.#measured = this.#rows.changes;
    return isWider;
  }

  /** Draw what changed; return whether the columns must be fitted again. */
  draw() {
    const now = performance.now();
    const isWider = this.#measure();
    const isDue = !this.#isHovered && now - this.#orderedAt > SORT_EVERY_MS;
    if (!this.#isOrdered || isDue) this.#sort(now);
    this.#drawRows();
    return isWider;
  }

  /** @param {number} now */
  #sort(now) {
    const { sort, descending } = this.#choices;
    this.#order = this.#rows.order(sort, descending, this.#test, now);
    this.#isOrdered = true;
    this.#orderedAt = now;
    const { length } = this.#order;
    const { size } = this.#rows;
    const symbols = size === 1 ? "1 symbol" : `${size} symbols`;
    setText(this.count, length === size ? symbols : `${length} of ${symbols}`);
    this.grid.setAttribute("aria-rowcount", String(length + 1));
    this.space.style.height = `${length * ROW_PX}px`;
    setText(this.note, length ? "" : size ? "No symbol fits the filter." : this.#empty);
    this.note.hidden = length > 0;
  }

  /** Note that the rows are others, and not only their numbers. */
  invalidate() {
    this.#isOrdered = false;
  }

  #drawHeadings() {
    const { sort, descending } = this.#choices;
    const key = this.#columns.map((each) => each.key + each.label).join();
    if (this.head.dataset.key !== key) {
      this.head.dataset.key = key;
      this.head.replaceChildren(...this.#columns.map((column) => this.#makeHeading(column)));
    }
    this.#columns.forEach((column, at) => {
      const heading = /** @type {HTMLElement} */ (this.head.children[at]);
      if (!column.sort) return;
      const isSorted = column.sort === sort;
      heading.setAttribute(
        "aria-sort",
        isSorted ? (descending ? "descending" : "ascending") : "none",
      );
      const [, arrow] = /** @type {HTMLCollectionOf<HTMLElement>} */ (heading.children[0].children);
      setText(arrow, isSorted ? (descending ? "▾" : "▴") : "");
    });
  }

  /** @param {WatchColumn} column */
  #makeHeading({ key, label, title, sort, isText }) {
    const side = isText ? "start" : "end";
    const heading = { role: "columnheader", class: "tkd-heading", title, "data-side": side };
    if (!sort) return make("div", { ...heading, text: label, "data-key": key });
    const button = make("button", { type: "button", "data-sort": sort }, [
      make("span", { text: label }),
      make("span", { class: "tkd-arrow", "aria-hidden": "true" }),
    ]);
    button.addEventListener("click", () => this.#sortBy(sort, key));
    return make("div", { ...heading, "data-key": key }, [button]);
  }

  /**
   * Sort by a field: names upward first, numbers downward; with the third click as it was.
   *
   * @param {string} field
   * @param {string} key
   */
  #sortBy(field, key) {
    const { sort, descending } = this.#choices;
    const isFirstDown = !["symbol", "feed", "state"].includes(key);
    if (sort !== field) this.#choose({ sort: field, descending: isFirstDown });
    else if (descending === isFirstDown) this.#choose({ descending: !isFirstDown });
    else this.#choose({ sort: "", descending: false });
  }

  #drawRows() {
    const { scrollTop, clientHeight } = this.grid;
    const order = this.#order;
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - MARGIN_ROWS);
    const to = Math.min(order.length, Math.ceil((scrollTop + clientHeight) / ROW_PX) + MARGIN_ROWS);
    const wanted = order.slice(from, to);
    const kept = new Set(wanted);
    for (const [row, element] of this.#shown) {
      if (kept.has(row)) continue;
      this.#shown.delete(row);
      this.#spare.push(element);
    }
    const now = performance.now();
    const { feed, symbol } = this.#choices;
    wanted.forEach((row, at) => {
      let element = this.#shown.get(row);
      if (!element) {
        element = this.#spare.pop() ?? this.#makeRow();
        element.forget();
        this.#shown.set(row, element);
      }
      const isChosen = row.symbol === symbol && row.feed === feed;
      element.place(from + at, ROW_PX, { isChosen, isCursor: row === this.#cursor });
      element.draw(row, now, this.#colors);
    });
    for (const element of this.#spare.splice(0)) element.element.remove();
    const cursor = this.#cursor && this.#shown.get(this.#cursor);
    if (cursor) this.grid.setAttribute("aria-activedescendant", cursor.element.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  #makeRow() {
    const made = new RowElement(this.#columns, `${this.#id}-${this.space.childElementCount}`);
    this.space.append(made.element);
    return made;
  }

  /** @param {Event} event */
  #onClick(event) {
    const element = /** @type {HTMLElement} */ (event.target).closest(".tkd-row");
    for (const [row, shown] of this.#shown) {
      if (shown.element !== element) continue;
      this.#cursor = row;
      this.#choose({ feed: row.feed, symbol: row.symbol });
    }
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const order = this.#order;
    const at = this.#cursor ? order.indexOf(this.#cursor) : -1;
    if ((key === "Enter" || key === " ") && at >= 0) {
      this.#choose({ feed: order[at].feed, symbol: order[at].symbol });
    } else if (KEYS.includes(key) && order.length) {
      const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW_PX) - 2);
      /** @type {Record<string, number>} */
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
      const last = order.length - 1;
      const next = key === "Home" ? 0 : key === "End" ? last : at + (steps[key] ?? 0);
      const index = at < 0 && key.startsWith("Arrow") ? this.#chosenIndex() : next;
      this.#cursor = order[Math.min(Math.max(index, 0), last)];
      this.#reveal(order.indexOf(this.#cursor));
      this.#drawRows();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to another cell
  }

  #chosenIndex() {
    const { feed, symbol } = this.#choices;
    return this.#order.findIndex((row) => row.symbol === symbol && row.feed === feed);
  }

  /** Scroll until a row is in view, below the headings. @param {number} index */
  #reveal(index) {
    const top = index * ROW_PX;
    const { scrollTop, clientHeight } = this.grid;
    if (top < scrollTop) this.grid.scrollTop = top;
    const bottom = top + 2 * ROW_PX; // the headings lie on the first row
    if (bottom > scrollTop + clientHeight) this.grid.scrollTop = bottom - clientHeight;
  }
}
