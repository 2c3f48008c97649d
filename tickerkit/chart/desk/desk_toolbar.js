/**
 * Desk toolbar: chooses what the chart shows.
 */

import { make } from "../../runtime/page_parts/elements.js";
import { Choice, IconButton } from "./controls.js";
import { fitBar } from "./fit.js";
import { IndicatorMenu } from "./indicator_menu.js";

/** @import { DeskChoices, DeskMenu } from "./messages.d.ts" */

const ALL = "all symbols";
const TOOLBAR_LEVELS = 5;

/** Write a length of time in a few characters: "30 s", "5 min", "1,000 ticks".
 *  @param {string | number} length */
export function writeLength(length) {
  if (typeof length === "number") return `${length.toLocaleString("en")} ticks`;
  return length.replace(/^([\d.]+)\s*([a-z]+)$/i, "$1 $2");
}

/** Write the length of a bar; a number is in seconds. @param {string | number} length */
const writeBar = (length) => (typeof length === "number" ? `${length} s` : writeLength(length));

export class DeskToolbar {
  /** @type {DeskMenu | null} */
  #menu = null;

  /** @param {(choices: Partial<DeskChoices>) => void} choose */
  constructor(choose) {
    this.view = new Choice("view", "view of the chart", (view) =>
      choose({ view: /** @type {DeskChoices["view"]} */ (view) }),
    );
    const chooseSymbol = (/** @type {string} */ value) => {
      const [feed, symbol] = JSON.parse(value);
      choose({ feed, symbol });
    };
    this.symbol = new Choice("symbol", "symbol of the chart", chooseSymbol, true);
    const chooseColumn = (/** @type {string} */ value) => choose({ column: value });
    this.column = new Choice("column", "column of numbers", chooseColumn, true);
    this.window = new Choice("window", "how much the chart shows", (value) =>
      choose({ window: this.#find("windows", value) }),
    );
    const chooseBar = (/** @type {string} */ value) => choose({ bar: this.#find("bars", value) });
    this.bar = new Choice("length", "length of a bar", chooseBar, true);
    this.volume = make("button", { type: "button", class: "tkd-button", text: "Volume" });
    this.volume.title = "the volume below the candles";
    this.volume.addEventListener("click", () =>
      choose({ volume: this.volume.getAttribute("aria-pressed") !== "true" }),
    );
    this.indicators = new IndicatorMenu((indicators) => choose({ indicators }));
    this.pause = new IconButton("pause", "Pause", "hold the chart still (p)", () =>
      choose({ paused: this.pause.element.getAttribute("aria-pressed") !== "true" }),
    );
    this.element = make("div", { class: "tkd-bar tkd-toolbar", role: "group" }, [
      this.symbol.element,
      this.view.element,
      this.column.element,
      this.window.element,
      this.bar.element,
      this.volume,
      this.indicators.element,
      make("span", { class: "tkd-space-between" }),
      this.pause.element,
    ]);
    this.element.setAttribute("aria-label", "what the chart shows");
  }

  togglePause() {
    this.pause.element.click();
  }

  /**
   * Return a window or a bar as Python has it: a text or a number.
   *
   * @param {"windows" | "bars"} name
   * @param {string} value
   */
  #find(name, value) {
    return this.#menu?.[name].find((each) => String(each) === value) ?? value;
  }

  /**
   * @param {DeskChoices} choices
   * @param {DeskMenu} menu
   */
  update(choices, menu) {
    this.#menu = menu;
    const { feeds, symbols, views, windows, bars, columns } = menu;
    const { feed, symbol, view, column, window, bar, indicators, volume, paused } = choices;
    this.view.update(
      views.map(({ view: value, label, description }) => ({
        value,
        text: label,
        title: description,
      })),
      view,
    );
    const isOne = feeds.length < 2;
    const hasBars = view === "candles" || indicators.length > 0; // bars are of one symbol
    const offersAll = !(isOne && hasBars && symbol !== null);
    const all = (offersAll ? feeds : []).map((name, at) => ({
      value: JSON.stringify([at, null]),
      text: isOne ? ALL : `all of ${name}`,
      group: isOne ? "" : name,
    }));
    const isOffered = symbols.some((each) => each.symbol === symbol && each.feed === feed);
    const more = symbol === null || isOffered ? [] : [{ feed, symbol }];
    const entries = [...symbols, ...more].map((each) => ({
      value: JSON.stringify([each.feed, each.symbol]),
      text: each.symbol,
      group: isOne ? "" : feeds[each.feed],
    }));
    this.symbol.update([...all, ...entries], JSON.stringify([feed, symbol]));
    this.column.update(
      columns.map((value) => ({ value, text: value })),
      column,
    );
    this.column.element.hidden = !menu.shows_columns;
    this.window.update(
      windows.map((value) => ({ value: String(value), text: writeLength(value) })),
      String(window),
    );
    this.bar.update(
      bars.map((value) => ({ value: String(value), text: writeBar(value) })),
      String(bar),
    );
    this.bar.element.hidden = !hasBars;
    this.volume.hidden = view !== "candles" || !menu.is_market;
    this.volume.setAttribute("aria-pressed", String(volume));
    this.indicators.update(menu.indicators, indicators);
    this.pause.update(paused ? "play" : "pause", paused ? "Resume" : "Pause", paused);
    this.pause.element.title = paused
      ? "follow the newest ticks again (p)"
      : "hold the chart still (p)";
  }

  fit() {
    fitBar(this.element, TOOLBAR_LEVELS);
  }
}
