/**
 * The board: one row for each symbol.
 *
 * Ticks may come by the thousand in a second; a screen shows 60 pictures in that time, and a hidden
 * page shows none. So a tick only changes numbers, and marks its row as changed. When the browser
 * next wants a picture, each changed row is drawn, once. However many ticks came, there is never
 * more to do than there are rows.
 */

import { drawSparkline } from "./sparkline.js";

/** So many prices make a sparkline. */
const SPARKLINE_PRICES = 120;

/** Numbers are drawn at most this often (milliseconds), every second picture on most screens. The
 *  eye sees no difference, and an old laptop with hundreds of symbols has half the work. */
const DRAW_EVERY = 30;

/** A row flashes the same colour at most this often (milliseconds): a flicker tells nobody more. */
const FLASH_EVERY = 250;
const FLASH_LASTS = 700;

const wantsLessMotion = matchMedia("(prefers-reduced-motion: reduce)");

export class Board {
  #list;
  #template;
  #rows = new Map(); // symbol -> Row
  #changed = new Set(); // rows to draw
  #isFrameAsked = false;
  #drawnAt = 0;
  #filter = "";
  #observer;

  constructor(list, template) {
    this.#list = list;
    this.#template = template;
    // Sparklines are the dear part of a row. Those that nobody sees are not drawn.
    this.#observer = new IntersectionObserver((entries) => this.#onScreenChange(entries));
  }

  /** The number of rows on the page. */
  get size() {
    return this.#list.children.length;
  }

  /** These symbols are to come, in this order. Each gets its place on the page with its first price. */
  expect(symbols) {
    symbols.forEach((symbol) => this.#row(symbol));
  }

  take(tick) {
    const row = this.#row(tick.symbol);
    if (row.take(tick)) {
      this.#drawSoon(row);
    }
  }

  /** What follows does not continue the prices we have: dim each row until it has a new one. */
  restart() {
    for (const row of this.#rows.values()) {
      row.restart();
    }
  }

  /** Show only the symbols that contain this text. */
  filter(text) {
    this.#filter = text.trim().toLowerCase();
    for (const row of this.#rows.values()) {
      row.applyFilter(this.#filter);
    }
  }

  #row(symbol) {
    let row = this.#rows.get(symbol);
    if (!row) {
      row = new Row(symbol, this.#template);
      this.#rows.set(symbol, row);
    }
    return row;
  }

  #drawSoon(row) {
    this.#changed.add(row);
    this.#askForFrame();
  }

  #askForFrame() {
    if (!this.#isFrameAsked) {
      this.#isFrameAsked = true;
      requestAnimationFrame((now) => this.#onFrame(now));
    }
  }

  #onFrame(now) {
    this.#isFrameAsked = false;
    if (now - this.#drawnAt < DRAW_EVERY) {
      this.#askForFrame();
    } else {
      this.#drawnAt = now;
      this.#draw(now);
    }
  }

  #draw(now) {
    const newcomers = [...this.#changed].filter((row) => !row.element.isConnected);
    this.#changed.forEach((row) => row.draw(now));
    this.#changed.clear();
    if (newcomers.length > 0) {
      this.#admit(newcomers);
    }
  }

  #admit(newcomers) {
    for (const row of newcomers) {
      row.hasPlace = true;
      row.applyFilter(this.#filter);
      this.#observer.observe(row.element);
    }
    // What is appended again only moves: this puts all rows in the order of `#rows`.
    const rows = [...this.#rows.values()].filter((row) => row.hasPlace);
    this.#list.append(...rows.map((row) => row.element));
  }

  #onScreenChange(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#rows.get(target.dataset.symbol);
      row.isOnScreen = isIntersecting;
      if (isIntersecting) {
        this.#drawSoon(row);
      }
    }
  }
}

class Row {
  element;
  hasPlace = false; // is it on the page?
  isOnScreen = false; // is it where one can see it?

  #symbol;
  #priceText;
  #sparkline;

  #prices = []; // the newest last
  #bid = null;
  #ask = null;
  #hasTraded = false;
  #isFresh = false; // has a tick come that is worth a flash?

  #shown = null; // the price on the screen
  #flash = null; // the last flash, over or not
  #flashedAt = 0;

  constructor(symbol, template) {
    this.#symbol = symbol;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.symbol = symbol;
    // textContent, never innerHTML: a symbol is text from somewhere else, and a symbol that is
    // called "<img src=x onerror=...>" is shown like that, and does nothing.
    this.element.querySelector(".symbol").textContent = symbol;
    this.#priceText = this.element.querySelector(".price");
    this.#sparkline = this.element.querySelector(".sparkline");
  }

  /** Take in a tick; true if there is something new to draw. */
  take(tick) {
    const price = this.#priceOf(tick);
    if (price === null) {
      return false;
    }
    this.#prices.push(price);
    if (this.#prices.length > SPARKLINE_PRICES) {
      this.#prices.shift();
    }
    this.#isFresh ||= tick.isNew;
    return true;
  }

  restart() {
    this.#prices = [];
    this.#bid = this.#ask = null;
    this.element.dataset.stale = "";
  }

  applyFilter(text) {
    this.element.hidden = !this.#symbol.toLowerCase().includes(text);
  }

  draw(now) {
    if (this.#prices.length === 0) {
      return;
    }
    const price = this.#prices.at(-1);
    if (price !== this.#shown) {
      this.#priceText.textContent = money(price);
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
   * The price that a tick tells of, or null. A quote has none, only what buyers bid and sellers
   * ask: its price is the middle. But once a symbol has traded, its trades are what counts.
   */
  #priceOf({ price, bid, ask }) {
    if (isNumber(price)) {
      this.#hasTraded = true;
      return price;
    }
    this.#bid = bid ?? this.#bid;
    this.#ask = ask ?? this.#ask;
    if (this.#hasTraded) {
      return null;
    }
    if (isNumber(this.#bid) && isNumber(this.#ask)) {
      return (this.#bid + this.#ask) / 2;
    }
    return this.#bid ?? this.#ask;
  }

  /** Up or down, against the price that was on the screen: an arrow, a colour, a flash. */
  #showDirection(price, now) {
    if (this.#shown === null) {
      return;
    }
    const direction = price > this.#shown ? "up" : "down";
    const hasTurned = direction !== this.element.dataset.direction;
    this.element.dataset.direction = direction;
    const mayFlash = this.#isFresh && this.isOnScreen && !wantsLessMotion.matches;
    if (hasTurned) {
      this.#flash?.cancel(); // no green price on a red ground
    }
    if (mayFlash && (hasTurned || now - this.#flashedAt > FLASH_EVERY)) {
      this.#flashedAt = now;
      const from = { backgroundColor: `var(--${direction}-flash)` };
      this.#flash = this.element.animate([from, {}], { duration: FLASH_LASTS, easing: "ease-out" });
    }
  }
}

function isNumber(value) {
  return typeof value === "number";
}

/**
 * A price in dollars, with two decimals at least. Small prices get more, up to seven digits that
 * mean something: 187.25, 187.255, 1.08345, 0.00001234.
 */
function money(price) {
  const size = Math.floor(Math.log10(Math.abs(price) || 1)); // 0 for 1 to 10, 1 for 10 to 100, ...
  const decimals = Math.min(12, Math.max(2, 6 - size));
  const digits = Math.abs(price).toFixed(decimals).replace(/(\.\d\d.*?)0+$/, "$1");
  return (price < 0 ? "-$" : "$") + digits;
}
