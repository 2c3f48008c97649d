/**
 * Watch columns: what the watchlist shows of a row, how wide it is, and what is left out first.
 */

import { ageOf, stateOf } from "./watch_rows.js";
import {
  formatAge,
  formatChange,
  formatNumber,
  formatLag,
  formatPerSecond,
  formatSize,
  MISSING,
} from "./written_values.js";

/** @import { DeskMenu } from "./messages.d.ts" */
/** @import { TextWidths } from "./text_widths.js" */
/** @import { WatchRow } from "./watch_rows.js" */

/**
 * A column. `rank` says which go first where there is little room: those of the highest rank.
 *
 * @typedef {object} WatchColumn
 * @property {string} key
 * @property {string} label
 * @property {string} title what it means
 * @property {string} sort the field by which it sorts; "" where it does not
 * @property {number} rank
 * @property {boolean} [isText] it begins at the left
 * @property {number} [width] in pixels, where it is not that of its widest text
 * @property {number} [extra] pixels beside the text
 * @property {number} [weight] of the font
 * @property {(row: WatchRow, now: number) => string} write
 */

/** The space between two columns, in pixels, as watchlist.css has it. */
export const GAP_PX = 10;
/** The space at both ends of a row, in pixels, as watchlist.css has it. */
export const PADDING_PX = 24;
const MAX_SYMBOL_PX = 180;
const MIN_SPARK_PX = 56;
/** The arrow of a heading that sorts. */
const SORT_PX = 11;
/** The arrow beside a value, and its label. */
const ARROW_PX = 13;
const MARK_PX = 15;

/**
 * Return the columns that a dashboard can have, in the order in which they stand.
 *
 * @param {Pick<DeskMenu, "others" | "is_quoted" | "is_market" | "feeds">} menu
 * @param {string} column the name of the chosen column of numbers
 * @param {{hasGaps: boolean}} has
 * @returns {WatchColumn[]}
 */
export function listColumns({ others, is_quoted, is_market, feeds }, column, { hasGaps }) {
  const names = shortenNames(feeds);
  /** @type {(WatchColumn | false)[]} */
  const columns = [
    {
      key: "symbol",
      label: "Symbol",
      title: "what it is",
      sort: "symbol",
      rank: 0,
      isText: true,
      weight: 600,
      write: (row) => row.symbol,
    },
    feeds.length > 1 && {
      key: "feed",
      label: "Feed",
      title: "where it comes from",
      sort: "feed",
      rank: 1.5,
      isText: true,
      write: (row) => names[row.feed] ?? "",
    },
    {
      key: "last",
      label: is_market ? "Last" : capitalize(column),
      title: `the newest ${column === "price" ? "price; mid: the middle of bid and ask" : column}`,
      sort: "last",
      rank: 0,
      extra: ARROW_PX,
      weight: 600,
      write: (row) => writeLast(row).join(""),
    },
    {
      key: "change",
      label: "Change",
      title: "change since the first value in the chosen window",
      sort: "change",
      rank: 1,
      write: (row) => formatChange(row.change),
    },
    {
      key: "spark",
      label: "Trend",
      title: "how it moved in the chosen window",
      sort: "",
      rank: 2,
      isText: true,
      width: MIN_SPARK_PX,
      write: () => "",
    },
    is_quoted && {
      key: "bid",
      label: "Bid",
      title: "the best price that buyers offer",
      sort: "bid",
      rank: 7,
      write: (row) => formatNumber(row.bid, row.decimals),
    },
    is_quoted && {
      key: "ask",
      label: "Ask",
      title: "the best price that sellers ask",
      sort: "ask",
      rank: 7,
      write: (row) => formatNumber(row.ask, row.decimals),
    },
    is_quoted && {
      key: "spread",
      label: "Spread",
      title: "ask minus bid",
      sort: "spread",
      rank: 5,
      write: (row) => formatNumber(row.spread, row.decimals),
    },
    is_market && {
      key: "size",
      label: "Size",
      title: "size of the newest trade",
      sort: "size",
      rank: 9,
      write: (row) => formatSize(row.size),
    },
    ...others.map(({ column: name, label, unit }, index) => ({
      key: `other ${name}`,
      label: unit ? `${capitalize(label)} (${unit})` : capitalize(label),
      title: `the newest ${name}`,
      sort: `others.${index}`,
      rank: 3 + index / 100, // the last ones go first
      write: (/** @type {WatchRow} */ row) =>
        formatNumber(row.others?.[index], row.other_decimals?.[index] ?? 0),
    })),
    {
      key: "rate",
      label: "Rate",
      title: "ticks per second",
      sort: "rate",
      rank: 4,
      write: (row) => formatPerSecond(row.rate),
    },
    {
      key: "lag",
      label: "Lag",
      title: "how long after its time the newest tick came",
      sort: "lag_ms",
      rank: 10,
      write: (row) => formatLag(row.lag_ms),
    },
    hasGaps && {
      key: "gaps",
      label: "Gaps",
      title: "ranges that never came, and in parentheses how many ticks are known to be missing",
      sort: "gaps",
      rank: 8,
      write: writeGaps,
    },
    {
      key: "age",
      label: "Age",
      title: "how long ago the newest tick came",
      sort: "age_s",
      rank: 8,
      write: (row, now) => formatAge(ageOf(row, now)),
    },
    {
      key: "state",
      label: "State",
      title:
        "live: ticks come at the symbol's usual pace; quiet: a tick is overdue; mute: silent for" +
        " far too long; stale: from before the server began again",
      sort: "status",
      rank: 0,
      isText: true,
      extra: MARK_PX,
      write: stateOf,
    },
  ];
  return columns.filter((each) => each !== false);
}

/** Leave out the host that all names have: ":8000" and ":8001". @param {string[]} names */
function shortenNames(names) {
  const hosts = names.map((name) => name.slice(0, Math.max(0, name.lastIndexOf(":"))));
  const [host] = hosts;
  return hosts.every((each) => each === host)
    ? names.map((name) => name.slice(host.length))
    : names;
}

/** Return what stands before, as, and behind the newest value. @param {WatchRow} row */
export function writeLast({ label, last, decimals, unit }) {
  const number = formatNumber(last, decimals);
  if (number === MISSING) return ["", number, ""];
  return [label ? `${label} ` : "", number, unit ? ` ${unit}` : ""];
}

/** @param {WatchRow} row */
function writeGaps({ gaps, missing, repaired }) {
  if (!gaps && !repaired) return "";
  const counts = [missing ? `${missing}` : "", repaired ? `${repaired} repaired` : ""];
  const more = counts.filter(Boolean).join(", ");
  return more ? `${gaps} (${more})` : String(gaps);
}

/** @param {string} name */
const capitalize = (name) => name.charAt(0).toUpperCase() + name.slice(1);

/** Keeps the width of each column: that of its widest text so far. */
export class ColumnWidths {
  #texts;
  /** @type {Map<string, number>} */
  #widest = new Map();

  /** @param {Pick<TextWidths, "measure">} texts */
  constructor(texts) {
    this.#texts = texts;
  }

  clear() {
    this.#widest.clear();
  }

  /**
   * Note a row's texts; return whether a column is wider now.
   *
   * @param {WatchColumn[]} columns
   * @param {WatchRow} row
   * @param {number} now
   */
  take(columns, row, now) {
    let isWider = false;
    for (const column of columns) {
      const { key, extra = 0, weight = 400 } = column;
      const text = this.#texts.measure(column.write(row, now), weight) + extra;
      const width = key === "symbol" ? Math.min(text, MAX_SYMBOL_PX) : text;
      if (width <= (this.#widest.get(key) ?? 0)) continue;
      this.#widest.set(key, width);
      isWider = true;
    }
    return isWider;
  }

  /** Return the width of a column in pixels. @param {WatchColumn} column */
  of(column) {
    const head = this.#texts.measure(column.label, 600) + (column.sort ? SORT_PX : 0);
    return Math.max(head, column.width ?? this.#widest.get(column.key) ?? 0);
  }
}

/**
 * Return the columns for which there is room, and how many pixels they need.
 *
 * @param {WatchColumn[]} columns
 * @param {(column: WatchColumn) => number} widthOf
 * @param {number} room in pixels
 */
export function fitColumns(columns, widthOf, room) {
  let shown = columns;
  for (;;) {
    const gaps = GAP_PX * (shown.length - 1) + PADDING_PX;
    const width = shown.reduce((sum, column) => sum + widthOf(column), gaps);
    const worst = Math.max(...shown.map(({ rank }) => rank));
    if (width <= room || worst === 0) return { columns: shown, width };
    // Those of one rank go together: a bid without its ask says little.
    shown = shown.filter(({ rank }) => rank !== worst);
  }
}
