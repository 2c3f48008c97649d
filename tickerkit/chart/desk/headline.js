/**
 * Headline: the chosen symbol in large type; without one, how the symbols move together.
 */

import { make, setText } from "../../runtime/page_parts/elements.js";
import { writeLast } from "./watch_columns.js";
import { formatChange, formatNumber } from "./written_values.js";

/** @import { DeskChoices, DeskMenu } from "./messages.d.ts" */
/** @import { WatchRow, WatchRows } from "./watch_rows.js" */

/** @type {Record<string, string>} */
const DIRECTIONS = { 1: "▲", "-1": "▼" };

export class Headline {
  /** @param {() => void} onAll called when the user wants all symbols */
  constructor(onAll) {
    const part = (/** @type {string} */ name) => make("span", { class: `tkd-${name}` });
    this.name = make("strong", { class: "tkd-title" });
    this.all = make("button", { type: "button", class: "tkd-all", text: "✕" });
    this.all.title = "show all symbols";
    this.all.setAttribute("aria-label", "show all symbols");
    this.all.addEventListener("click", onAll);
    this.last = part("big");
    this.unit = part("unit");
    this.change = part("change");
    this.quote = part("quote");
    this.breadth = make("span", { class: "tkd-breadth" });
    this.element = make("div", { class: "tkd-headline" }, [
      this.name,
      this.all,
      this.last,
      this.unit,
      this.change,
      this.quote,
      this.breadth,
    ]);
  }

  /**
   * @param {DeskChoices} choices
   * @param {DeskMenu} menu
   * @param {WatchRows} rows
   */
  draw({ feed, symbol, window, view, indicators }, menu, rows) {
    const row = rows.find(feed, symbol);
    const isMany = menu.feeds.length > 1 || rows.size !== 1;
    const hasBars = view === "candles" || indicators.length > 0; // bars are of one symbol
    this.all.hidden = symbol === null || !isMany || hasBars;
    setText(this.name, symbol ?? (rows.size === 1 ? firstOf(rows).symbol : "All symbols"));
    const shown = row ?? (symbol === null && rows.size === 1 ? firstOf(rows) : undefined);
    if (shown) {
      const [label, number, unit] = writeLast(shown);
      setText(this.last, number);
      setText(this.unit, [unit.trim(), label.trim()].filter(Boolean).join(" "));
      const direction = DIRECTIONS[Math.sign(shown.change ?? 0)] ?? "";
      setText(
        this.change,
        shown.change === null ? "" : `${direction} ${formatChange(shown.change)}`,
      );
      this.change.dataset.move = String(Math.sign(shown.change ?? 0));
      this.change.title = `change over ${window}`;
      const { bid, ask, decimals } = shown;
      const isQuoted = typeof bid === "number" && typeof ask === "number";
      const quote = [bid, ask].map((side) => formatNumber(side, decimals));
      setText(this.quote, isQuoted ? `bid ${quote[0]}  ask ${quote[1]}` : "");
      this.breadth.hidden = true;
      return;
    }
    for (const part of [this.last, this.unit, this.change, this.quote]) setText(part, "");
    this.#drawBreadth(rows);
  }

  /** @param {WatchRows} rows */
  #drawBreadth(rows) {
    let [up, down, even] = [0, 0, 0];
    for (const { change } of rows.all()) {
      if (change) change > 0 ? up++ : down++;
      else if (change === 0) even++;
    }
    const count = up + down + even;
    this.breadth.hidden = count < 2;
    if (count < 2) return;
    const key = `${up} ${even} ${down}`;
    if (this.breadth.dataset.key === key) return;
    this.breadth.dataset.key = key;
    const bars = [
      ["rise", up],
      ["even", even],
      ["fall", down],
    ].map(([name, part]) => {
      const bar = make("i", { class: `tkd-share tkd-${name}` });
      bar.style.flexGrow = String(part);
      return bar;
    });
    this.breadth.replaceChildren(
      make("span", { class: "tkd-up", text: `▲ ${up}`, title: "symbols that have risen" }),
      make("span", { class: "tkd-shares", "aria-hidden": "true" }, bars),
      make("span", { class: "tkd-down", text: `▼ ${down}`, title: "symbols that have fallen" }),
    );
  }
}

/** @param {WatchRows} rows @returns {WatchRow} */
const firstOf = (rows) => [...rows.all()][0];
