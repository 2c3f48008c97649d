/**
 * Plot axes: the axes of one plot, by their ids, and which of them move together.
 */

import { makeAxisKey, isFixed } from "./axes.js";

/** @import { AxisLayout, Layout, Plot, Range, Stream } from "./types.d.ts" */

/** Narrower bars can't be distinguished, and cost as much to draw. */
const PIXELS_PER_BAR = 2;
const MIN_BARS = 100;
/** The width of an axis that Plotly has not drawn yet. */
const USUAL_WIDTH_PX = 700;
/** How many decades a logarithmic axis shows of data that begin at zero or below. */
const DECADES = 6;

/** The axes of a plot: as the figure's layout sets them, and as Plotly has drawn them. */
export class PlotAxes {
  #plot;
  #layout;

  /**
   * @param {Plot} plot
   * @param {() => Layout} layout returns the figure's own
   */
  constructor(plot, layout) {
    this.#plot = plot;
    this.#layout = layout;
  }

  /**
   * Return an axis as Plotly has drawn it.
   *
   * @param {string} id
   * @returns {AxisLayout}
   */
  drawn(id) {
    return this.#plot._fullLayout[makeAxisKey(id)] ?? {};
  }

  /**
   * Return an axis as the figure's layout sets it.
   *
   * @param {string} id
   * @returns {AxisLayout | undefined}
   */
  given(id) {
    return this.#layout()[makeAxisKey(id)];
  }

  /** @param {string} id */
  width(id) {
    return this.drawn(id)._length || USUAL_WIDTH_PX;
  }

  /** @param {string} id */
  isLog(id) {
    return this.drawn(id).type === "log";
  }

  /**
   * Return the id of the axis at the end of an axis' `matches`; axes with one root move together.
   *
   * @param {string} id
   */
  findRoot(id) {
    const layout = this.#layout();
    const seen = new Set();
    let root = id;
    while (layout[makeAxisKey(root)]?.matches && !seen.has(root)) {
      seen.add(root);
      root = layout[makeAxisKey(root)].matches;
    }
    return root;
  }

  /**
   * Return the ids of the x axes that show the same range, by the root of each group.
   *
   * @param {Pick<Stream, "x" | "root">[]} streams
   */
  groups(streams) {
    /** @type {Map<string, Set<string>>} */
    const groups = new Map();
    for (const { x, root } of streams) {
      const ids = groups.get(root) ?? new Set([root]);
      groups.set(root, ids.add(x));
    }
    return groups;
  }

  /**
   * Return the first of these axes whose range the user has set.
   *
   * @param {Iterable<string>} ids
   */
  fixed(ids) {
    return [...ids].map((id) => this.given(id)).find(isFixed);
  }

  /**
   * Return a range of an axis as the least and the greatest value of the data.
   *
   * @param {string} id
   * @param {Range} range
   * @returns {Range}
   */
  toData(id, [left, right]) {
    const [least, greatest] = left < right ? [left, right] : [right, left];
    return this.isLog(id) ? [10 ** least, 10 ** greatest] : [least, greatest];
  }

  /**
   * Return the range that shows data from the least to the greatest value.
   *
   * A logarithmic axis can't show zero: if the data begin at zero or below, the range has the upper
   * decades only. The ends are not finite if the axis can show none of the data.
   *
   * @param {string} id
   * @param {[number, number]} extent
   * @returns {Range}
   */
  toRange(id, [least, greatest]) {
    if (!this.isLog(id)) return [least, greatest];
    const right = Math.log10(greatest);
    return [least > 0 ? Math.log10(least) : right - DECADES, right];
  }

  /**
   * Return how many bars an axis has room for.
   *
   * @param {string} id
   */
  maxBars(id) {
    return Math.max(MIN_BARS, Math.floor(this.width(id) / PIXELS_PER_BAR));
  }

  /**
   * Set the range that an axis shows with the next draw.
   *
   * @param {string} id
   * @param {Range} range
   */
  setRange(id, range) {
    const isReversed = this.given(id)?.autorange === "reversed";
    const axis = this.#axisToDraw(id);
    axis.range = isReversed ? [...range].reverse() : [...range];
    axis.autorange = false;
  }

  /**
   * Let Plotly choose the range that an axis shows with the next draw.
   *
   * @param {string} id
   */
  clearRange(id) {
    Object.assign(this.#axisToDraw(id), { autorange: true, range: undefined });
  }

  /**
   * @param {string} id
   * @returns {AxisLayout}
   */
  #axisToDraw(id) {
    const { layout } = this.#plot;
    layout[makeAxisKey(id)] ??= {};
    return layout[makeAxisKey(id)];
  }
}
