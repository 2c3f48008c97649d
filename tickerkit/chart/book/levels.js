/**
 * Levels: the rows of a ladder, out of a message with the best levels of a book.
 */

/** @import { BookMessage } from "./messages.d.ts" */

/**
 * A row of the ladder. `total` is the size from the best level to this one; `part` is the size as a
 * share of the largest one shown.
 *
 * @typedef {{side: "bid" | "ask", price: number, size: number, total: number, part: number}} Level
 */

/**
 * Return the rows from the highest price to the lowest: as many for each side as the ladder shows,
 * null where the book has no such level.
 *
 * @param {Pick<BookMessage, "levels" | "bids" | "asks">} book
 * @returns {(Level | null)[]}
 */
export function arrangeLevels({ levels, bids, asks }) {
  const shown = [...bids.slice(0, levels), ...asks.slice(0, levels)];
  const largest = Math.max(...shown.map(([, size]) => size), 0);
  const rows = [
    arrangeSide("ask", asks, levels, largest).reverse(),
    arrangeSide("bid", bids, levels, largest),
  ];
  return rows.flat();
}

/**
 * @param {"bid" | "ask"} side
 * @param {[number, number][]} given
 * @param {number} levels
 * @param {number} largest
 */
function arrangeSide(side, given, levels, largest) {
  /** @type {(Level | null)[]} */
  const rows = [];
  let total = 0;
  for (let at = 0; at < levels; at++) {
    const level = given[at];
    if (level) {
      const [price, size] = level;
      total += size;
      rows.push({ side, price, size, total, part: largest ? size / largest : 0 });
    } else rows.push(null);
  }
  return rows;
}

/**
 * Return the distance of the best ask from the best bid, and as a share of their middle in percent;
 * null if a side is empty.
 *
 * @param {Pick<BookMessage, "bids" | "asks">} book
 */
export function findSpread({ bids, asks }) {
  if (!bids.length || !asks.length) return null;
  const spread = asks[0][0] - bids[0][0];
  const middle = (asks[0][0] + bids[0][0]) / 2;
  return { spread, percent: middle ? (100 * spread) / Math.abs(middle) : null };
}
