/**
 * Row filter: chooses rows of the watchlist by what the user types.
 */

/** @import { WatchRow } from "./watch_rows.js" */

/** The numbers that a filter compares, by the words for them.
 *  @type {Record<string, (row: WatchRow) => number | null | undefined>} */
const NUMBERS = {
  last: (row) => row.last,
  price: (row) => row.last,
  change: (row) => row.change,
  bid: (row) => row.bid,
  ask: (row) => row.ask,
  spread: (row) => row.spread,
  size: (row) => row.size,
  rate: (row) => row.rate,
  lag: (row) => row.lag_ms,
  gaps: (row) => row.gaps,
};
/** @type {Record<string, (value: number, limit: number) => boolean>} */
const COMPARISONS = {
  ">": (value, limit) => value > limit,
  ">=": (value, limit) => value >= limit,
  "<": (value, limit) => value < limit,
  "<=": (value, limit) => value <= limit,
  "=": (value, limit) => value === limit,
};
const COMPARISON = /^([a-z]+)(>=|<=|>|<|=)([+-]?[\d.]+(?:e[+-]?\d+)?)%?$/;

/** What a filter can say. */
export const FILTER_HELP =
  'part of a symbol, a state such as "mute", or a comparison such as change>1 or rate<=0.5;' +
  " all of several words";

/**
 * Return a test of rows: all words must fit. A word is a part of the symbol or of the feed's name,
 * a state, or a comparison such as "change>1".
 *
 * @param {string} text
 * @param {(feed: number) => string} nameOf returns the name of a feed
 * @returns {(row: WatchRow) => boolean}
 */
export function parseRowFilter(text, nameOf = () => "") {
  const spaceless = text.toLowerCase().replaceAll(/\s*(>=|<=|>|<|=)\s*/g, "$1");
  const words = spaceless.split(/\s+/).filter(Boolean);
  const tests = words.map((word) => parseWord(word, nameOf));
  return (row) => tests.every((test) => test(row));
}

/**
 * @param {string} word
 * @param {(feed: number) => string} nameOf
 * @returns {(row: WatchRow) => boolean}
 */
function parseWord(word, nameOf) {
  const [, name, sign, limit] = COMPARISON.exec(word) ?? [];
  if (name && Object.hasOwn(NUMBERS, name)) {
    return (row) => {
      const value = NUMBERS[name](row);
      return typeof value === "number" && COMPARISONS[sign](value, Number(limit));
    };
  }
  return (row) =>
    row.symbol.toLowerCase().includes(word) ||
    row.status === word ||
    nameOf(row.feed).toLowerCase().includes(word);
}
