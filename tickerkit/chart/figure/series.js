// The newest points of one trace, and what is worth drawing of them.
//
// A frame may not cost a look at every point: a million of them stand behind 850 columns of
// pixels. So beside the values lie the least and greatest of each block of 64 positions. Work on
// a range reads this index for the blocks inside, and single points at its two ends only.

const BLOCK = 64;
const SLACK = 1024;
const CANDLE = { open: "first", high: "high", low: "low", close: "last" };

/**
 * The values of one column, and the index of its blocks.
 *
 * It counts from its own start, which lies on a block's border; `Series` knows the positions.
 * Only blocks that are full are indexed, and only those wholly in a range are asked. So neither
 * points let go of in mid-block nor a last block still filling up get into an answer.
 */
class Column {
  values = new Float64Array(0);
  low = new Float64Array(0); // Infinity for a block without values: no comparison picks it
  high = new Float64Array(0);
  holes = new Uint8Array(0); // 1 where a block may have a NaN inside

  /** Moves `count` values from `from`, a block's border, to the start of new memory. */
  move(from, count, capacity) {
    for (const key of ["values", "low", "high", "holes"]) {
      const unit = key === "values" ? 1 : BLOCK;
      const kept = this[key].subarray(from / unit, Math.ceil((from + count) / unit));
      this[key] = new kept.constructor(capacity / unit);
      this[key].set(kept);
    }
  }

  /** Sets the values from `at` on, after which there are no more. */
  write(at, given) {
    const { values, low, high, holes } = this;
    const end = at + given.length;
    values.set(given, at);
    for (let i = at; i < end; i++) {
      if (i % BLOCK === 0) holes[i / BLOCK] = 0;
      if (values[i] - values[i] === 0) continue;
      // An infinite value has no place on a chart: from here on it is a gap, like NaN.
      values[i] = NaN;
      holes[Math.floor(i / BLOCK)] = 1;
    }
    for (let i = at - (at % BLOCK); i + BLOCK <= end; i += BLOCK) {
      let least = Infinity;
      let greatest = -Infinity;
      for (let k = i; k < i + BLOCK; k++) {
        if (values[k] < least) least = values[k];
        if (values[k] > greatest) greatest = values[k];
      }
      low[i / BLOCK] = least;
      high[i / BLOCK] = greatest;
    }
  }

  /** Returns the least and the greatest in [from, to); [Infinity, -Infinity] when there is none. */
  range(from, to) {
    const { values, low, high } = this;
    let least = Infinity;
    let greatest = -Infinity;
    for (let i = from; i < to; ) {
      const whole = i % BLOCK === 0 && i + BLOCK <= to;
      const down = whole ? low[i / BLOCK] : values[i];
      const up = whole ? high[i / BLOCK] : values[i];
      if (down < least) least = down;
      if (up > greatest) greatest = up;
      i += whole ? BLOCK : 1;
    }
    return [least, greatest];
  }

  /** Returns where in [from, to) the first or last value of [least, greatest] is, or -1. */
  find(from, to, least, greatest, last = false) {
    const { values, low, high } = this;
    for (let i = last ? to - 1 : from; i >= from && i < to; ) {
      const b = i >> 6;
      const whole = b * BLOCK >= from && (b + 1) * BLOCK <= to;
      if (whole && !(high[b] >= least && low[b] <= greatest)) {
        i = last ? b * BLOCK - 1 : (b + 1) * BLOCK;
      } else if (values[i] >= least && values[i] <= greatest) return i;
      else i += last ? -1 : 1;
    }
    return -1;
  }

  /** Returns one value that stands for [from, to), NaN where there is none. */
  one(from, to, how) {
    const { values } = this;
    const at = this.find(from, to, -Infinity, Infinity, how === "last");
    if (at < 0) return NaN;
    if (how === "first" || how === "last") return values[at];
    if (how === "sum") {
      let sum = 0;
      for (let i = from; i < to; i++) if (values[i] === values[i]) sum += values[i];
      return sum;
    }
    const [least, greatest] = this.range(from, to);
    return how === "high" || (how === "peak" && greatest >= -least) ? greatest : least;
  }
}

/**
 * The points of one trace at positions [first, next).
 *
 * Each point ever added has a position, ascending by one, so that the kernel and the page speak
 * of the same points. Memory follows what is held: room for 2.25 times as many, and a little.
 */
export class Series {
  epoch = null;
  first = 0;
  next = 0;
  version = 0; // counts how often points that were there were given other values
  #base = 0; // the position of the columns' start, on a block's border
  #x = new Column();
  #columns; // by name, x first

  /** @param {string[]} names the columns beside x: ["y"], or open, high, low and close. */
  constructor(names) {
    this.names = [...names];
    this.#columns = new Map([["x", this.#x], ...names.map((name) => [name, new Column()])]);
  }

  get length() {
    return this.next - this.first;
  }

  /** For how many points there is memory. */
  get capacity() {
    return this.#x.values.length;
  }

  /** Lets go of all; the next position is `start`. */
  reset(epoch, start = 0) {
    this.epoch = epoch;
    this.first = this.next = start;
    this.#fit(start, start);
  }

  /**
   * Gives the points from `start` on these values, in place of what was held from there on.
   *
   * A bar that still grows is written again and again, and the same message twice does no harm.
   * A hole would put all later points at wrong positions, so it is refused.
   */
  write(start, columns) {
    const count = columns.x.length;
    if (this.names.some((name) => columns[name]?.length !== count)) {
      throw new RangeError(`each of ${this.names} must be as long as x`);
    }
    if (this.length === 0) this.first = this.next = start;
    if (!(start >= this.first && start <= this.next)) {
      throw new RangeError(`position ${start} is not in ${this.first} to ${this.next}`);
    }
    if (start < this.next) this.version++;
    this.#fit(start, start + count);
    for (const [name, column] of this.#columns) column.write(start - this.#base, columns[name]);
    this.next = start + count;
  }

  /** Lets go of the positions below `first`. */
  trim(first) {
    if (!(first > this.first)) return;
    this.first = Math.min(first, this.next);
    this.#fit(this.next, this.next);
  }

  /** Makes room up to `end` and keeps what is below `keep`; gives idle memory back. */
  #fit(keep, end) {
    const base = this.first - (this.first % BLOCK);
    const idle = this.capacity > 2.25 * (end - base) + 4 * SLACK;
    if (base >= this.#base && end - this.#base <= this.capacity && !idle) return;
    // Half as much again for what comes: so each point is moved twice or so, however long it goes.
    const capacity = Math.ceil((1.5 * (end - base) + SLACK) / BLOCK) * BLOCK;
    const count = keep > this.first ? keep - base : 0;
    const from = count > 0 ? base - this.#base : 0;
    for (const column of this.#columns.values()) column.move(from, count, capacity);
    this.#base = base;
  }

  /** Returns the point at a position, or null. */
  at(position) {
    if (!(position >= this.first && position < this.next)) return null;
    const i = position - this.#base;
    return Object.fromEntries([...this.#columns].map(([name, { values }]) => [name, values[i]]));
  }

  /** Returns the newest point, or null. */
  last() {
    return this.at(this.next - 1);
  }

  /** Returns the least and the greatest x, or null. */
  xExtent() {
    const [least, greatest] = this.#x.range(this.first - this.#base, this.next - this.#base);
    return least <= greatest ? [least, greatest] : null;
  }

  /**
   * Returns the smallest range [from, to) of positions with all points of left <= x <= right.
   *
   * A late tick makes x step back, which bisection would not survive. Where there is no point,
   * the empty range lies before the first one to the right, or at the end.
   */
  between(left, right) {
    const [start, end] = [this.first - this.#base, this.next - this.#base];
    let from = this.#x.find(start, end, left, right);
    if (from >= 0) {
      const to = this.#x.find(from, end, left, right, true) + 1;
      return [from + this.#base, to + this.#base];
    }
    from = this.#x.find(start, end, right, Infinity);
    return from < 0 ? [this.next, this.next] : [from + this.#base, from + this.#base];
  }

  /** Returns the least and the greatest of all values in [from, to), or null. */
  extent(from, to) {
    const held = this.#held(from, to).map((position) => position - this.#base);
    const ranges = this.names.map((name) => this.#columns.get(name).range(...held));
    const least = Math.min(...ranges.map((range) => range[0]));
    const greatest = Math.max(...ranges.map((range) => range[1]));
    return least <= greatest ? [least, greatest] : null;
  }

  #held(from, to) {
    const start = Math.min(Math.max(from, this.first), this.next);
    return [start, Math.max(start, Math.min(to, this.next))];
  }

  /**
   * Returns {x, y} of a line that on the screen is the line of all points.
   *
   * Of each column of pixels it takes the first, lowest, highest and last point ("M4"), of each
   * unbroken stretch where NaN breaks the line; and one point beyond each border.
   *
   * @param {Float64Array} edges the borders of the columns, ascending, one more than columns.
   */
  line(edges) {
    const n = edges.length - 1;
    const [X, Y] = [this.#x, this.#columns.get(this.names[0])];
    const [from, to] = n < 1 ? [this.next, this.next] : this.between(edges[0], edges[n]);
    const [start, end] = n < 1 ? [from, to] : this.#held(from - 1, to + 1);
    const [i, k] = [start - this.#base, end - this.#base];
    if (to - from <= 4 * n) return { x: X.values.slice(i, k), y: Y.values.slice(i, k) };
    const picked = pick(X, Y, edges, from - this.#base, to - this.#base);
    if (start < from) picked.unshift(i);
    if (end > to) picked.push(k - 1);
    const take = ({ values }) => new Float64Array(picked).map((at) => values[at]);
    return { x: take(X), y: take(Y) };
  }

  /**
   * Returns at most `most` bars for those in [from, to): {x, <names>, group}.
   *
   * Where there are more, 2, 4, 8, ... become one. Groups are counted from position 0, and those
   * at the two ends are whole as far as held: so no bar changes while the window slides.
   *
   * @param {"sum" | "peak"} how what becomes of a column that is none of a candle's.
   */
  bars(from, to, most, how = "peak") {
    let [start, end] = this.#held(from, to);
    let group = 1;
    const groups = () => Math.ceil(end / group) - Math.floor(start / group);
    while (end > start && groups() > Math.max(1, most)) group *= 2;
    [start, end] = this.#held(start - (start % group), Math.ceil(end / group) * group);
    const borders = [start - this.#base];
    for (let at = start; at < end; ) {
      at = Math.min(end, at - (at % group) + group);
      borders.push(at - this.#base);
    }
    const result = { group };
    for (const [name, column] of this.#columns) {
      const way = name === "x" ? "first" : (CANDLE[name] ?? how);
      result[name] = new Float64Array(borders.length - 1);
      for (let k = 1; k < borders.length; k++) {
        result[name][k - 1] = column.one(borders[k - 1], borders[k], way);
      }
    }
    return result;
  }

  /** Returns {x, <names>} of about `most` points that stand for all: for saving a picture. */
  thin(most) {
    if (this.names.length > 1) {
      const { group, ...columns } = this.bars(this.first, this.next, most);
      return columns;
    }
    const [least, greatest] = this.xExtent() ?? [NaN, NaN];
    const n = Math.max(1, Math.floor(most / 4));
    const width = (greatest - least) / n;
    const edges = new Float64Array(n + 1).map((_, k) => least + width * k);
    edges[n] = greatest;
    const { x, y } = this.line(edges);
    return { x, [this.names[0]]: y };
  }
}

/**
 * Returns where in [from, to) the points of a line are, ascending.
 *
 * A late point counts for the column that the line has reached, so their number is bounded; only
 * a whole block of late ones leads the line back. A point from beyond the borders, within the
 * range because x stepped back, must not hide the extremes of what is visible: it is left out.
 */
function pick(xs, ys, edges, from, to) {
  const [X, Y, n] = [xs.values, ys.values, edges.length - 1];
  const [left, right] = [edges[0], edges[n]];
  const picked = [];
  let column = 0;
  let broken = false; // of many NaN in a row one is enough to break the line
  for (let i = from; i < to; ) {
    const gap = X[i] !== X[i] || Y[i] !== Y[i];
    if (gap || X[i] < left || X[i] > right) {
      if (gap && !broken) picked.push(i);
      broken ||= gap;
      i++;
      continue;
    }
    broken = false;
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
      const whole = i % BLOCK === 0 && i + BLOCK <= to;
      const b = i >> 6;
      if (whole && xs.high[b] >= left && xs.high[b] < floor) {
        column = 0;
        break;
      }
      const seen = whole && xs.low[b] >= left && xs.high[b] < ceiling && xs.high[b] <= right;
      const block = seen && xs.holes[b] + ys.holes[b] === 0;
      if (!block) {
        if (X[i] < left || X[i] > right) {
          i++;
          continue;
        }
        if (X[i] >= ceiling || X[i] !== X[i] || Y[i] !== Y[i]) break;
      }
      const down = block ? ys.low[b] : Y[i];
      const up = block ? ys.high[b] : Y[i];
      if (down < low) {
        low = down;
        lowest = i;
      }
      if (up > high) {
        high = up;
        highest = i;
      }
      i += block ? BLOCK : 1;
      last = i - 1;
    }
    while (Y[lowest] !== low) lowest++; // it may be known by its block only
    while (Y[highest] !== high) highest++;
    const [second, third] = lowest < highest ? [lowest, highest] : [highest, lowest];
    picked.push(first);
    if (second > first) picked.push(second);
    if (third > second) picked.push(third);
    if (last > third) picked.push(last);
  }
  return picked;
}
