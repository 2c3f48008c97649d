/**
 * Column: the values of one column of a series, and an index of their blocks.
 *
 * A frame can't afford to look at every point: 850 columns of pixels may show a million of them.
 * So the least and the greatest value of each block of 64 positions are stored beside the values.
 * Work on a range reads this index for the blocks inside, and single values at its two ends only.
 */

/** Positions in a block. */
export const BLOCK = 64;

/**
 * How a range of values becomes one: its first, its last, its highest or lowest value, their sum,
 * or the value that is farthest from zero ("peak").
 *
 * @typedef {"first" | "last" | "high" | "low" | "sum" | "peak"} Summary
 */

/**
 * Indices count from the column's own start, which is the border of a block; `Series` translates
 * positions to them. Only full blocks are indexed, and the index is read only for blocks that lie
 * wholly inside a range. So the trimmed values of a first block, or the missing values of a last
 * block that is not full yet, never count.
 */
export class Column {
  values = new Float64Array(0);
  /** The least of each block; Infinity for a block without values, which no comparison picks. */
  low = new Float64Array(0);
  /** The greatest of each block; -Infinity for a block without values. */
  high = new Float64Array(0);
  /** 1 for a block that may contain NaN. */
  holes = new Uint8Array(0);

  /**
   * Move values to the start of new memory.
   *
   * @param {number} from the index of the first value, at the border of a block
   * @param {number} count how many values to keep
   * @param {number} capacity the length of the new memory, a multiple of `BLOCK`
   */
  move(from, count, capacity) {
    const end = from + count;
    const [firstBlock, stopBlock] = [from / BLOCK, Math.ceil(end / BLOCK)];
    const blocks = capacity / BLOCK;
    this.values = copyPart(this.values, from, end, capacity);
    this.low = copyPart(this.low, firstBlock, stopBlock, blocks);
    this.high = copyPart(this.high, firstBlock, stopBlock, blocks);
    this.holes = copyPart(this.holes, firstBlock, stopBlock, blocks);
  }

  /**
   * Set the values from an index on; they become the last values of the column.
   *
   * @param {number} at
   * @param {ArrayLike<number>} given
   */
  write(at, given) {
    const { values, holes } = this;
    const end = at + given.length;
    values.set(given, at);
    for (let i = at; i < end; i++) {
      if (i % BLOCK === 0) holes[i / BLOCK] = 0;
      if (Number.isFinite(values[i])) continue;
      // A chart can't show an infinite value: it becomes a gap, like NaN.
      values[i] = NaN;
      holes[Math.floor(i / BLOCK)] = 1;
    }
    this.#indexBlocks(at - (at % BLOCK), end);
  }

  /**
   * @param {number} start the border of a block
   * @param {number} end
   */
  #indexBlocks(start, end) {
    const { values, low, high } = this;
    for (let i = start; i + BLOCK <= end; i += BLOCK) {
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

  /**
   * Return the least and the greatest value in [from, to); [Infinity, -Infinity] without a value.
   *
   * @param {number} from
   * @param {number} to
   * @returns {[number, number]}
   */
  extent(from, to) {
    const { values, low, high } = this;
    let least = Infinity;
    let greatest = -Infinity;
    for (let i = from; i < to; ) {
      const isWhole = i % BLOCK === 0 && i + BLOCK <= to;
      const down = isWhole ? low[i / BLOCK] : values[i];
      const up = isWhole ? high[i / BLOCK] : values[i];
      if (down < least) least = down;
      if (up > greatest) greatest = up;
      i += isWhole ? BLOCK : 1;
    }
    return [least, greatest];
  }

  /**
   * Return the index in [from, to) of the first or last value of [least, greatest], or -1.
   *
   * @param {number} from
   * @param {number} to
   * @param {number} least
   * @param {number} greatest
   * @param {"first" | "last"} which
   */
  find(from, to, least, greatest, which = "first") {
    const { values, low, high } = this;
    const isBackward = which === "last";
    for (let i = isBackward ? to - 1 : from; i >= from && i < to; ) {
      const block = i >> 6;
      const isWhole = block * BLOCK >= from && (block + 1) * BLOCK <= to;
      if (isWhole && !(high[block] >= least && low[block] <= greatest)) {
        i = isBackward ? block * BLOCK - 1 : (block + 1) * BLOCK;
      } else if (values[i] >= least && values[i] <= greatest) {
        return i;
      } else {
        i += isBackward ? -1 : 1;
      }
    }
    return -1;
  }

  /**
   * Return the values at some indices.
   *
   * @param {number[]} indices
   */
  take(indices) {
    const taken = new Float64Array(indices.length);
    for (let k = 0; k < taken.length; k++) taken[k] = this.values[indices[k]];
    return taken;
  }

  /**
   * Return one value that stands for the values in [from, to); NaN if all of them are NaN.
   *
   * @param {number} from
   * @param {number} to
   * @param {Summary} how
   */
  summarize(from, to, how) {
    const at = this.find(from, to, -Infinity, Infinity, how === "last" ? "last" : "first");
    if (at < 0) return NaN;
    if (how === "first" || how === "last") return this.values[at];
    if (how === "sum") return this.#sum(from, to);
    const [least, greatest] = this.extent(from, to);
    return how === "high" || (how === "peak" && greatest >= -least) ? greatest : least;
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #sum(from, to) {
    let sum = 0;
    for (let i = from; i < to; i++) if (!Number.isNaN(this.values[i])) sum += this.values[i];
    return sum;
  }
}

/**
 * Return a part of an array at the start of a new array of the given length.
 *
 * @template {Float64Array | Uint8Array} T
 * @param {T} array
 * @param {number} from
 * @param {number} to
 * @param {number} length
 * @returns {T}
 */
function copyPart(array, from, to, length) {
  const Kind = /** @type {new (length: number) => T} */ (array.constructor);
  const copied = new Kind(length);
  copied.set(array.subarray(from, to));
  return copied;
}
