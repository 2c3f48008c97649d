/**
 * The board: one row for each symbol.
 *
 * Thousands of ticks may come in a second; a screen shows 60 frames in that time, and a hidden page
 * shows none. So a tick only changes numbers, and marks its row as changed. In the browser's next
 * frame each changed row is drawn once: the work to draw never exceeds the number of rows.
 */

import { Decimals, formatDecimals } from "./decimals.js";
import { drawSparkline } from "./sparkline.js";

/** @import { Tick } from "./feed.js" */

/** How many prices make a sparkline. */
const SPARKLINE_PRICES = 120;

/** Numbers are drawn at most this often, which is every second frame on most screens. The eye sees
 *  no difference, and an old laptop with hundreds of symbols has half the work. */
const DRAW_EVERY_MS = 30;

/** A row flashes the same colour at most this often: a flicker gives no more information. */
const FLASH_EVERY_MS = 250;
const FLASH_MS = 700;

/** After a restart, rows without a new price are removed when the server has sent prices for this
 *  long: their symbols are those of the server before. */
const MAX_STALE_MS = 30_000;

/** Of a symbol without a price, at most so many numbers are shown. */
const MAX_NUMBERS = 6;

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export class Board {
  #list;
  #template;
  /** By symbol. @type {Map<string, Row>} */
  #rows = new Map();
  /** The rows to draw. @type {Set<Row>} */
  #changed = new Set();
  #isFrameRequested = false;
  #drawnAt = 0;
  /** When the first price after a restart was drawn. @type {number | null} */
  #restartedAt = null;
  #hasStaleRows = false;
  #filter = "";
  #observer;
  /** By column. Rows read it when they are drawn. @type {Map<string, string>} */
  #units = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of a row
   */
  constructor(list, template) {
    this.#list = list;
    this.#template = template;
    // Sparklines are the expensive part of a row, so they are drawn only for rows on the screen.
    this.#observer = new IntersectionObserver((entries) => this.#onScroll(entries));
  }

  /** The number of rows on the page. */
  get size() {
    return this.#list.children.length;
  }

  /**
   * Set the order of the symbols. Each is added to the page with its first price.
   *
   * @param {string[]} symbols
   */
  expect(symbols) {
    for (const symbol of symbols) {
      this.#row(symbol);
    }
  }

  /**
   * Set the unit of each column that has one.
   *
   * @param {Record<string, string>} units
   */
  setUnits(units) {
    this.#units.clear();
    for (const [name, unit] of Object.entries(units)) {
      this.#units.set(name, unit);
    }
  }

  /**
   * Add a tick.
   *
   * @param {string} symbol
   * @param {Tick} tick
   */
  add(symbol, tick) {
    const row = this.#row(symbol);
    if (row.add(tick)) {
      this.#requestDraw(row);
    }
  }

  /** Forget the prices: the next ticks don't continue them. Dim each row until its next price. */
  restart() {
    for (const row of this.#rows.values()) {
      row.restart();
    }
    this.#restartedAt = null;
    this.#hasStaleRows = this.#rows.size > 0;
  }

  /**
   * Show only the symbols that contain a text.
   *
   * @param {string} text
   */
  filter(text) {
    this.#filter = text.trim().toLowerCase();
    for (const row of this.#rows.values()) {
      row.applyFilter(this.#filter);
    }
  }

  /** @param {string} symbol */
  #row(symbol) {
    let row = this.#rows.get(symbol);
    if (!row) {
      row = new Row(symbol, this.#template, this.#units);
      this.#rows.set(symbol, row);
    }
    return row;
  }

  /** @param {Row} row */
  #requestDraw(row) {
    this.#changed.add(row);
    this.#requestFrame();
  }

  #requestFrame() {
    if (!this.#isFrameRequested) {
      this.#isFrameRequested = true;
      requestAnimationFrame((now) => this.#onFrame(now));
    }
  }

  /** @param {number} now */
  #onFrame(now) {
    this.#isFrameRequested = false;
    if (now - this.#drawnAt < DRAW_EVERY_MS) {
      this.#requestFrame();
    } else {
      this.#drawnAt = now;
      this.#draw(now);
    }
  }

  /** @param {number} now */
  #draw(now) {
    const added = [...this.#changed].filter((row) => !row.element.isConnected);
    for (const row of this.#changed) {
      row.draw(now);
    }
    this.#changed.clear();
    if (added.length > 0) {
      this.#addToPage(added);
    }
    if (this.#hasStaleRows) {
      this.#restartedAt ??= now;
      if (now - this.#restartedAt > MAX_STALE_MS) {
        this.#removeStale();
      }
    }
  }

  #removeStale() {
    for (const [symbol, row] of this.#rows) {
      if (row.isStale) {
        this.#observer.unobserve(row.element);
        row.element.remove();
        this.#rows.delete(symbol);
      }
    }
    this.#hasStaleRows = false;
  }

  /** @param {Row[]} added */
  #addToPage(added) {
    for (const row of added) {
      row.isOnPage = true;
      row.applyFilter(this.#filter);
      this.#observer.observe(row.element);
    }
    // An element that is appended again only moves: this puts all rows in the order of `#rows`.
    const rows = [...this.#rows.values()].filter((row) => row.isOnPage);
    this.#list.append(...rows.map((row) => row.element));
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onScroll(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#row(/** @type {HTMLElement} */ (target).dataset.symbol ?? "");
      row.isOnScreen = isIntersecting;
      if (isIntersecting) {
        this.#requestDraw(row);
      }
    }
  }
}

class Row {
  element;
  isOnPage = false;
  isOnScreen = false; // on the part of the page that is scrolled into view

  #symbol;
  #units;
  #priceText;
  #numbersText;
  #sparkline;

  /** The newest last. @type {number[]} */
  #prices = [];
  /** @type {number | null} */
  #bid = null;
  /** @type {number | null} */
  #ask = null;
  #hasTraded = false;
  #isFresh = false; // a tick since the last draw is new, not from before the page connected
  #decimals = new Decimals();
  /** Of a symbol without a price, as a thermometer: the newest numbers, of which the first is shown
   *  like a price. @type {Map<string, {value: number, decimals: Decimals}>} */
  #numbers = new Map();

  /** The price on the screen. @type {number | null} */
  #shown = null;
  /** The last flash, over or not. @type {Animation | null} */
  #flash = null;
  #flashedAt = 0;

  /**
   * @param {string} symbol
   * @param {HTMLTemplateElement} template
   * @param {Map<string, string>} units by column
   */
  constructor(symbol, template, units) {
    this.#symbol = symbol;
    this.#units = units;
    const original = /** @type {HTMLElement} */ (template.content.firstElementChild);
    this.element = /** @type {HTMLElement} */ (original.cloneNode(true));
    this.element.dataset.symbol = symbol;
    // textContent, never innerHTML: a symbol comes from outside. A symbol that is called
    // "<img src=x onerror=...>" is shown like that, and its code does not run.
    this.#part(".symbol").textContent = symbol;
    this.#priceText = this.#part(".price");
    this.#numbersText = this.#part(".numbers");
    this.#sparkline = this.#part(".sparkline");
  }

  /** @param {string} selector */
  #part(selector) {
    return /** @type {Element} */ (this.element.querySelector(selector));
  }

  /**
   * Add a tick; return whether there is something new to draw.
   *
   * @param {Tick} tick
   */
  add(tick) {
    const price = this.#choosePrice(tick);
    if (price === null) {
      return this.#addNumbers(tick);
    }
    if (this.#numbers.size > 0) {
      // Its first price: what came before is something else.
      this.#numbers.clear();
      this.#prices = [];
    }
    this.#decimals.add(price);
    this.#push(price, tick.isNew);
    return true;
  }

  /**
   * Add the numbers of a tick without a price; return whether there are some to draw.
   *
   * @param {Tick} tick
   */
  #addNumbers({ numbers, isNew }) {
    if (this.#hasTraded || this.#bid !== null || this.#ask !== null) {
      return false;
    }
    for (const [name, value] of numbers) {
      if (!this.#numbers.has(name) && this.#numbers.size < MAX_NUMBERS) {
        this.#numbers.set(name, { value, decimals: new Decimals(0) });
      }
      const number = this.#numbers.get(name);
      if (number) {
        number.value = value;
        number.decimals.add(value);
      }
      if (name === this.#numbers.keys().next().value) {
        this.#push(value, isNew);
      }
    }
    return numbers.length > 0;
  }

  /**
   * Add what the row shows to its sparkline.
   *
   * @param {number} price
   * @param {boolean} isNew
   */
  #push(price, isNew) {
    this.#prices.push(price);
    if (this.#prices.length > SPARKLINE_PRICES) {
      this.#prices.shift();
    }
    this.#isFresh ||= isNew;
  }

  /** Whether there was no price since a restart. */
  get isStale() {
    return this.element.dataset.stale !== undefined;
  }

  restart() {
    this.#prices = [];
    this.#bid = this.#ask = null;
    this.#numbers.clear();
    this.element.dataset.stale = "";
  }

  /** @param {string} text in lower case */
  applyFilter(text) {
    this.element.hidden = !this.#symbol.toLowerCase().includes(text);
  }

  /** @param {number} now */
  draw(now) {
    const price = this.#prices.at(-1);
    if (price === undefined) {
      return;
    }
    const [first, ...others] = this.#numbers;
    const texts = others.map(([name, { value, decimals }]) => {
      return `${name} ${this.#addUnit(formatDecimals(value, decimals.count), name)}`;
    });
    const text = first ? [first[0], ...texts].join(" · ") : "";
    if (this.#numbersText.textContent !== text) {
      this.#numbersText.textContent = text;
    }
    if (price !== this.#shown) {
      this.#priceText.textContent = first
        ? this.#addUnit(formatDecimals(price, first[1].decimals.count), first[0])
        : this.#formatPrice(price);
      this.#showDirection(price, now);
      this.#shown = price;
    }
    if (this.isOnScreen) {
      drawSparkline(this.#sparkline, this.#prices);
    }
    delete this.element.dataset.stale;
    this.#isFresh = false;
  }

  /**
   * Return a number with the unit of its column, if it has one.
   *
   * @param {string} text
   * @param {string} column
   */
  #addUnit(text, column) {
    const unit = this.#units.get(column);
    return unit ? `${text} ${unit}` : text;
  }

  /**
   * Return a price with its unit, or in dollars if it has none.
   *
   * @param {number} price
   */
  #formatPrice(price) {
    const count = this.#decimals.count;
    return this.#units.has("price")
      ? this.#addUnit(formatDecimals(price, count), "price")
      : formatPrice(price, count);
  }

  /**
   * Return the price to show of a tick, or null. The price of a quote is the middle of bid and ask.
   * But once a symbol has traded, only its trades count.
   *
   * @param {Tick} tick
   */
  #choosePrice({ price, bid, ask }) {
    if (isNumber(price)) {
      this.#hasTraded = true;
      return price;
    }
    this.#bid = bid ?? this.#bid;
    this.#ask = ask ?? this.#ask;
    if (this.#hasTraded) {
      return null;
    }
    for (const side of [bid, ask]) {
      if (isNumber(side)) {
        this.#decimals.add(side);
      }
    }
    if (isNumber(this.#bid) && isNumber(this.#ask)) {
      return (this.#bid + this.#ask) / 2;
    }
    return this.#bid ?? this.#ask;
  }

  /**
   * Show whether a price is above or below the price on the screen: an arrow, a colour, a flash.
   *
   * @param {number} price
   * @param {number} now
   */
  #showDirection(price, now) {
    if (this.#shown === null) {
      return;
    }
    const direction = price > this.#shown ? "up" : "down";
    const hasTurned = direction !== this.element.dataset.direction;
    this.element.dataset.direction = direction;
    const mayFlash = this.#isFresh && this.isOnScreen && !reducedMotion.matches;
    if (hasTurned) {
      this.#flash?.cancel(); // a green price must not stand on a red background
    }
    if (mayFlash && (hasTurned || now - this.#flashedAt > FLASH_EVERY_MS)) {
      this.#flashedAt = now;
      const from = { backgroundColor: `var(--${direction}-flash)` };
      this.#flash = this.element.animate([from, {}], { duration: FLASH_MS, easing: "ease-out" });
    }
  }
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number";
}

/**
 * Return a price in dollars: $187.25.
 *
 * @param {number} price
 * @param {number} decimals
 */
export function formatPrice(price, decimals) {
  const text = formatDecimals(price, decimals);
  return text.startsWith("−") ? `−$${text.slice(1)}` : `$${text}`;
}
