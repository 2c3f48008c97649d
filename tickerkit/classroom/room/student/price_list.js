/**
 * PriceList: one row for each symbol. It is the server's own page in small: a phone gets the newest
 * prices at most ten times a second, and nothing that could be out of date.
 */

import { Decimals, formatDecimals } from "../../../server/page/decimals.js";
import { drawSparkline } from "../../../server/page/sparkline.js";
import { setText } from "../../../runtime/page_parts/elements.js";

/** How many prices make a sparkline. */
const LINE_PRICES = 120;
/** Columns that are not shown of a symbol without a price. */
const NOT_SHOWN = new Set(["seq", "size", "bid_size", "ask_size", "trade_id"]);

/** @typedef {Record<string, unknown>} Tick */

/**
 * Return the price of a tick, the middle of a quote, or else the first other number, with its name;
 * null if there is none.
 *
 * @param {Tick} tick
 * @returns {{value: number, column: string} | null}
 */
export function chooseNumber(tick) {
  const { price, bid, ask } = tick;
  if (typeof price === "number") return { value: price, column: "" };
  if (typeof bid === "number" && typeof ask === "number") {
    return { value: (bid + ask) / 2, column: "" };
  }
  for (const [column, value] of Object.entries(tick)) {
    if (typeof value === "number" && !NOT_SHOWN.has(column)) return { value, column };
  }
  return null;
}

export class PriceList {
  /** The first symbol with its price, for the tab's title. */
  headline = "";

  #list;
  #template;
  /** By symbol. @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<Row>} */
  #changed = new Set();
  #frame = 0; // the pending animation frame, 0 without one

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of a row
   */
  constructor(list, template) {
    this.#list = list;
    this.#template = template;
  }

  /** @param {Tick[]} ticks */
  take(ticks) {
    for (const tick of ticks) {
      const number = chooseNumber(tick);
      if (typeof tick.symbol !== "string" || !number) continue;
      let row = this.#rows.get(tick.symbol);
      if (!row) {
        row = new Row(tick.symbol, this.#template);
        this.#rows.set(tick.symbol, row);
        this.#list.append(row.element);
      }
      row.add(number.value, number.column);
      this.#changed.add(row);
    }
    for (const row of this.#rows.values()) {
      this.headline = `${row.symbol} ${row.text}`;
      break;
    }
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const row of this.#changed) row.draw();
      this.#changed.clear();
    });
  }
}

class Row {
  #column = "";
  /** The newest last. @type {number[]} */
  #values = [];
  #decimals = new Decimals();
  #shown = Number.NaN;

  /**
   * @param {string} symbol
   * @param {HTMLTemplateElement} template
   */
  constructor(symbol, template) {
    const original = /** @type {HTMLElement} */ (template.content.firstElementChild);
    this.symbol = symbol;
    this.element = /** @type {HTMLElement} */ (original.cloneNode(true));
    setText(this.#part(".symbol"), symbol);
  }

  /** @param {string} selector */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }

  /**
   * @param {number} value
   * @param {string} column empty for a price
   */
  add(value, column) {
    if (column !== this.#column) {
      this.#column = column;
      this.#values = [];
      this.#decimals = new Decimals(column ? 0 : 2);
    }
    this.#decimals.add(value);
    this.#values.push(value);
    if (this.#values.length > LINE_PRICES) this.#values.shift();
  }

  get text() {
    const value = this.#values[this.#values.length - 1];
    const text = formatDecimals(Math.abs(value), this.#decimals.count);
    return `${value < 0 ? "−" : ""}${this.#column ? "" : "$"}${text}`;
  }

  draw() {
    const value = this.#values[this.#values.length - 1];
    setText(this.#part(".price"), this.text);
    setText(this.#part(".numbers"), this.#column);
    if (value !== this.#shown && !Number.isNaN(this.#shown)) {
      this.element.dataset.direction = value > this.#shown ? "up" : "down";
    }
    this.#shown = value;
    drawSparkline(this.#part(".sparkline"), this.#values);
  }
}
