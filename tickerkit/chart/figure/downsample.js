/**
 * Downsampling: the few points of a line that draw the same pixels as all of them.
 */

import { BLOCK } from "./column.js";

/** @import { Column } from "./column.js" */

/**
 * Return the indices in [from, to) of the points that a line needs, ascending.
 *
 * These are the first, lowest, highest and last point of each column of pixels ("M4"), for each
 * stretch of the line between two NaN.
 *
 * A late point, whose x steps back, counts for the column that the line has reached. So the number
 * of points is bounded; only a whole block of late points leads the line back. Because x steps
 * back, [from, to) may also contain points outside the borders. They are left out: they must not
 * hide the extremes of the visible points.
 *
 * @param {Column} xs
 * @param {Column} ys
 * @param {Float64Array} edges the borders of the pixel columns, ascending: one more than columns
 * @param {number} from
 * @param {number} to
 */
export function m4(xs, ys, edges, from, to) {
  const [X, Y, n] = [xs.values, ys.values, edges.length - 1];
  const [left, right] = [edges[0], edges[n]];
  /** @type {number[]} */
  const picked = [];
  let column = 0;
  let isBroken = false; // one NaN of several in a row is enough to break the line
  for (let i = from; i < to; ) {
    const isGap = Number.isNaN(X[i]) || Number.isNaN(Y[i]);
    if (isGap || X[i] < left || X[i] > right) {
      if (isGap && !isBroken) picked.push(i);
      isBroken ||= isGap;
      i++;
      continue;
    }
    isBroken = false;
    while (column < n - 1 && X[i] >= edges[column + 1]) column++;
    const floor = edges[column];
    const ceiling = column < n - 1 ? edges[column + 1] : Infinity;
    const first = i;
    let low = Y[i];
    let high = Y[i];
    let lowest = i;
    let highest = i;
    let last = i;
    for (i++; i < to; ) {
      const isWhole = i % BLOCK === 0 && i + BLOCK <= to;
      const b = i >> 6;
      if (isWhole && xs.high[b] >= left && xs.high[b] < floor) {
        column = 0;
        break;
      }
      const isInside = isWhole && xs.low[b] >= left && xs.high[b] < ceiling && xs.high[b] <= right;
      const isBlock = isInside && xs.holes[b] + ys.holes[b] === 0;
      if (!isBlock) {
        if (X[i] < left || X[i] > right) {
          i++;
          continue;
        }
        if (X[i] >= ceiling || Number.isNaN(X[i]) || Number.isNaN(Y[i])) break;
      }
      const down = isBlock ? ys.low[b] : Y[i];
      const up = isBlock ? ys.high[b] : Y[i];
      if (down < low) {
        low = down;
        lowest = i;
      }
      if (up > high) {
        high = up;
        highest = i;
      }
      i += isBlock ? BLOCK : 1;
      last = i - 1;
    }
    // If an extreme was found in the index of a block, find its point.
    while (Y[lowest] !== low) lowest++;
    while (Y[highest] !== high) highest++;
    const [second, third] = lowest < highest ? [lowest, highest] : [highest, lowest];
    picked.push(first);
    if (second > first) picked.push(second);
    if (third > second) picked.push(third);
    if (last > third) picked.push(last);
  }
  return picked;
}
