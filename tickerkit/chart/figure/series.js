/**
 * Series: the newest points of one trace, and a choice of them for drawing.
 */

import { BLOCK, Column } from "./column.js";
import { m4, outline } from "./downsample.js";

/** @import { Summary } from "./column.js" */
/** @import { Columns } from "./types.d.ts" */

/** Spare memory, in points: a small series is not moved for every few new points. */
const SLACK_POINTS = 1024;

/** How several bars become one, by the name of the column.
 *  @type {Record<string, Summary>} */
const BAR_SUMMARY = { open: "first", high: "high", low: "low", close: "last" };

/** How far below an earlier x a point is no late point any more, as a share of their range. */
const FAR_BEHIND = 1 / 50;
/** With a larger share of such points x is not in order. */
const MAX_BEHIND = 1 / 8;
/** How many points of a trace with unordered x are drawn. */
const MAX_UNORDERED = 20_000;

/**
 * The points of one trace at positions [first, next).
 *
 * Each point ever added has a position, ascending by one, so that the kernel and the page name the
 * same points. Memory is bounded by the points held: at most 2.25 times as many, and a constant.
 */
export class Series {
  /** The run of positions; clearing a window begins a new run. @type {number | null} */
  epoch = null;
  first = 0;
  next = 0;
  /** How often held points were replaced. */
  version = 0;
  /** Whether only some of the kernel's points are held, from a state or a saved notebook. */
  isPartial = false;

  #least = Infinity; // x of all points written
  #greatest = -Infinity;
  #written = 0;
  #behind = 0; // of the points written, those with an x far below an earlier one
  #base = 0; // the position of the columns' start, at the border of a block
  #x = new Column();
  #y; // the first column beside x
  /** @type {Map<string, Column>} */
  #columns; // by name, x first

  /**
   * @param {string[]} names the columns beside x: ["y"], or open, high, low and close; or ["z"]
   * @param {number} [rows] how many values each position has in a column: several in a heat map
   */
  constructor(names, rows = 1) {
    this.names = [...names];
    this.rows = rows;
    this.#columns = new Map([["x", this.#x]]);
    for (const name of names) this.#columns.set(name, new Column());
    this.#y = /** @type {Column} */ (this.#columns.get(names[0]));
  }

  get length() {
    return this.next - this.first;
  }

  /** How many points there is memory for. */
  get capacity() {
    return this.#x.values.length;
  }

  /**
   * Drop all points; the next position is `start`.
   *
   * @param {number | null} epoch
   * @param {number} start
   */
  reset(epoch, start = 0) {
    this.epoch = epoch;
    this.first = this.next = start;
    [this.#least, this.#greatest, this.#written, this.#behind] = [Infinity, -Infinity, 0, 0];
    this.#fit(start, start);
  }

  /**
   * Replace the points from a position on.
   *
   * The open bar is written again with each tick, and receiving a message twice does no harm.
   *
   * @param {number} start
   * @param {Record<string, ArrayLike<number>>} columns x and each of `names`
   * @throws {RangeError} if the columns differ in length, or the write would leave a hole, which
   *   would give all later points a wrong position
   */
  write(start, columns) {
    const count = columns.x.length;
    if (this.names.some((name) => columns[name]?.length !== count * this.rows)) {
      throw new RangeError(
        `Columns differ in length; pass ${count * this.rows} values for each of ${this.names}`,
      );
    }
    if (this.length === 0) this.first = this.next = start;
    if (!(start >= this.first && start <= this.next)) {
      throw new RangeError(
        `Invalid start=${start}; expected a position from ${this.first} to ${this.next}`,
      );
    }
    if (start < this.next) this.version++;
    this.#fit(start, start + count);
    for (const [name, column] of this.#columns) {
      column.write((start - this.#base) * this.#valuesPerPosition(name), columns[name]);
    }
    this.next = start + count;
    this.#noteOrder(columns.x);
  }

  /** @param {ArrayLike<number>} x */
  #noteOrder(x) {
    this.#written += x.length;
    for (let i = 0; i < x.length; i++) {
      const value = x[i];
      if (value < this.#least) this.#least = value;
      if (value > this.#greatest) this.#greatest = value;
      else if (this.#greatest - value > FAR_BEHIND * (this.#greatest - this.#least)) this.#behind++;
    }
  }

  /** Whether x rises, but for late points. A cloud of points or a curve in the plane does not. */
  get #isOrdered() {
    return this.#behind <= MAX_BEHIND * this.#written;
  }

  /**
   * Drop the points below a position.
   *
   * @param {number} first
   */
  trim(first) {
    if (!(first > this.first)) return;
    this.first = Math.min(first, this.next);
    this.#fit(this.next, this.next);
  }

  /**
   * Make room up to a position, and release memory that is not needed.
   *
   * @param {number} keep the position after the last point to keep
   * @param {number} end
   */
  #fit(keep, end) {
    const base = this.first - (this.first % BLOCK);
    const slack = SLACK_POINTS / Math.max(1, this.rows);
    const isIdle = this.capacity > 2.25 * (end - base) + 4 * Math.max(slack, BLOCK);
    if (base >= this.#base && end - this.#base <= this.capacity && !isIdle) return;
    // Half as much again for later points: each point is then moved about twice in all.
    const capacity = Math.ceil((1.5 * (end - base) + slack) / BLOCK) * BLOCK;
    const count = keep > this.first ? keep - base : 0;
    const from = count > 0 ? base - this.#base : 0;
    for (const [name, column] of this.#columns) {
      const each = this.#valuesPerPosition(name);
      column.move(from * each, count * each, capacity * each);
    }
    this.#base = base;
  }

  /** @param {string} name */
  #valuesPerPosition(name) {
    return name === "x" ? 1 : this.rows;
  }

  /**
   * Return a column's values in [from, to): a view, valid until the next write.
   *
   * @param {string} name
   * @param {number} from
   * @param {number} to
   */
  values(name, from, to) {
    const [start, stop] = this.#held(from, to);
    const each = this.#valuesPerPosition(name);
    const { values } = /** @type {Column} */ (this.#columns.get(name));
    return values.subarray((start - this.#base) * each, (stop - this.#base) * each);
  }

  /**
   * Return the point at a position, or null; of a column of a heat map only x.
   *
   * @param {number} position
   * @returns {Record<string, number> | null}
   */
  at(position) {
    if (!(position >= this.first && position < this.next)) return null;
    const i = position - this.#base;
    if (this.rows !== 1) return { x: this.#x.values[i] };
    return Object.fromEntries([...this.#columns].map(([name, { values }]) => [name, values[i]]));
  }

  /** Return the newest point, or null. */
  last() {
    return this.at(this.next - 1);
  }

  /**
   * Return the first value at or after a position that is neither NaN nor zero, or NaN.
   *
   * @param {number} from
   */
  firstNonZero(from) {
    const { values } = this.#y;
    const [start, end] = this.#held(from, this.next);
    for (let i = start - this.#base; i < end - this.#base; i++) if (values[i]) return values[i];
    return NaN;
  }

  /**
   * Return the least and the greatest x, or null.
   *
   * @returns {[number, number] | null}
   */
  xExtent() {
    const [least, greatest] = this.#x.extent(this.first - this.#base, this.next - this.#base);
    return least <= greatest ? [least, greatest] : null;
  }

  /**
   * Return the smallest range [from, to) of positions with all points of left <= x <= right.
   *
   * It does not use bisection, since a late tick makes x step back. If no point is inside, the
   * empty range lies before the first point to the right, or at the end.
   *
   * @param {number} left
   * @param {number} right
   * @returns {[number, number]}
   */
  between(left, right) {
    const [start, end] = [this.first - this.#base, this.next - this.#base];
    let from = this.#x.find(start, end, left, right);
    if (from >= 0) {
      const to = this.#x.find(from, end, left, right, "last") + 1;
      return [from + this.#base, to + this.#base];
    }
    from = this.#x.find(start, end, right, Infinity);
    return from < 0 ? [this.next, this.next] : [from + this.#base, from + this.#base];
  }

  /**
   * Return the least and the greatest of all values in [from, to), or null.
   *
   * @param {number} from
   * @param {number} to
   * @returns {[number, number] | null}
   */
  extent(from, to) {
    const [start, stop] = this.#held(from, to);
    let [least, greatest] = [Infinity, -Infinity];
    for (const [name, column] of this.#columns) {
      if (name === "x") continue;
      const [low, high] = column.extent(
        (start - this.#base) * this.rows,
        (stop - this.#base) * this.rows,
      );
      least = Math.min(least, low);
      greatest = Math.max(greatest, high);
    }
    return least <= greatest ? [least, greatest] : null;
  }

  /**
   * Return the part of [from, to) that is held.
   *
   * @param {number} from
   * @param {number} to
   * @returns {[number, number]}
   */
  #held(from, to) {
    const start = Math.min(Math.max(from, this.first), this.next);
    return [start, Math.max(start, Math.min(to, this.next))];
  }

  /**
   * Return the points of a line that looks on the screen like the line of all points.
   *
   * Besides the points that `m4` picks, the line has one point beyond each border. If x does not
   * rise, pixel columns say nothing: all points are returned, or an even sample of very many.
   *
   * @param {Float64Array} edges the borders of the pixel columns, ascending: one more than columns
   * @returns {{x: Float64Array, y: Float64Array}}
   */
  line(edges) {
    const [X, Y] = [this.#x, this.#y];
    const { from, to, picked } = this.#pick(edges);
    if (!picked) return { x: X.values.slice(from, to), y: Y.values.slice(from, to) };
    return { x: X.take(picked), y: Y.take(picked) };
  }

  /**
   * Return the positions of the points of `line`.
   *
   * @param {Float64Array} edges
   */
  linePositions(edges) {
    const { from, to, picked } = this.#pick(edges);
    const indices = picked ?? Array.from({ length: to - from }, (_, at) => from + at);
    return indices.map((at) => at + this.#base);
  }

  /**
   * Return the indices of the points of `line`: all of [from, to), or those that are picked.
   *
   * @param {Float64Array} edges
   * @returns {{from: number, to: number, picked?: number[]}}
   */
  #pick(edges) {
    const n = edges.length - 1;
    const [first, stop] = n < 1 ? [this.next, this.next] : this.between(edges[0], edges[n]);
    const [start, end] = n < 1 ? [first, stop] : this.#held(first - 1, stop + 1);
    const [from, to] = [start - this.#base, end - this.#base];
    if (stop - first <= 4 * n) return { from, to };
    if (!this.#isOrdered) {
      const step = Math.ceil((to - from) / MAX_UNORDERED);
      const count = Math.ceil((to - from) / step);
      return { from, to, picked: Array.from({ length: count }, (_, at) => from + at * step) };
    }
    const picked = start < first ? [from] : [];
    m4(this.#x, this.#y, edges, first - this.#base, stop - this.#base, picked);
    if (end > stop) picked.push(to - 1);
    return { from, to, picked };
  }

  /**
   * Return points that draw nearly the same pixels as a dense line; null if it is not dense.
   *
   * @param {Float64Array} edges the borders of the pixel columns, ascending: one more than columns
   */
  outline(edges) {
    if (!this.#isOrdered) return null;
    const [from, to] = this.between(edges[0], edges[edges.length - 1]);
    const [start, end] = this.#held(from - 1, to + 1);
    return outline(this.#x, this.#y, edges, start - this.#base, end - this.#base);
  }

  /**
   * Return at most `max` bars for those in [from, to), and how many bars each of them stands for.
   *
   * If there are more bars, each group of 2, 4, 8, ... bars becomes one. Groups are counted from
   * position 0, and the groups at the two ends include all their bars that are held. So no bar
   * changes while the window slides.
   *
   * @param {number} from
   * @param {number} to
   * @param {number} max
   * @param {"sum" | "peak"} how how to combine a column that is not one of a candle's
   * @returns {{group: number, columns: Columns}}
   */
  bars(from, to, max, how = "peak") {
    const { group, borders } = this.#groupBars(from, to, max);
    /** @type {Columns} */
    const columns = {};
    for (const [name, column] of this.#columns) {
      const summary = name === "x" ? "first" : (BAR_SUMMARY[name] ?? how);
      columns[name] = new Float64Array(borders.length - 1);
      for (let k = 1; k < borders.length; k++) {
        columns[name][k - 1] = column.summarize(borders[k - 1], borders[k], summary);
      }
    }
    return { group, columns };
  }

  /**
   * Return the positions of the first bar of each of `bars`.
   *
   * @param {number} from
   * @param {number} to
   * @param {number} max
   */
  barPositions(from, to, max) {
    const { borders } = this.#groupBars(from, to, max);
    return borders.slice(0, -1).map((at) => at + this.#base);
  }

  /**
   * Return how many bars each of `bars` stands for, and the indices where they begin and end.
   *
   * @param {number} from
   * @param {number} to
   * @param {number} max
   */
  #groupBars(from, to, max) {
    let [start, end] = this.#held(from, to);
    let group = 1;
    const groups = () => Math.ceil(end / group) - Math.floor(start / group);
    while (end > start && groups() > Math.max(1, max)) group *= 2;
    [start, end] = this.#held(start - (start % group), Math.ceil(end / group) * group);
    const borders = [start - this.#base];
    for (let at = start; at < end; ) {
      at = Math.min(end, at - (at % group) + group);
      borders.push(at - this.#base);
    }
    return { group, borders };
  }

  /**
   * Return about `max` points that stand for all, to be saved with a notebook.
   *
   * @param {number} max
   * @returns {Columns}
   */
  thin(max) {
    if (this.names.length > 1) return this.bars(this.first, this.next, max).columns;
    const [least, greatest] = this.xExtent() ?? [NaN, NaN];
    const n = Math.max(1, Math.floor(max / 4));
    const width = (greatest - least) / n;
    const edges = new Float64Array(n + 1).map((_, k) => least + width * k);
    edges[n] = greatest;
    const { x, y } = this.line(edges);
    return { x, [this.names[0]]: y };
  }
}
