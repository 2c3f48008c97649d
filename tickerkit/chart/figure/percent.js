/**
 * Percent: which traces are drawn as their change in percent, and since which value.
 *
 * The kernel sends values, not percentages: the base of the change is the first value in the
 * window, so each percentage changes as the window slides.
 */

import { isLine } from "./trace_types.js";

/** @import { Place, Stream, Trace } from "./types.d.ts" */
/** @import { PlotAxes } from "./plot_axes.js" */

/** The `meta` of a trace that is drawn as its change; `percent.py` has both, too. With a uid behind
 *  it, the change is since the first value of that trace, such as of a moving average with its
 *  line. */
const PERCENT = "percent";
const PERCENT_OF = "percent of ";

/**
 * Return the change of a value since a base, in percent.
 *
 * @param {number} value
 * @param {number} base the value that counts as 0 %, never zero; NaN if there is no such value
 */
export const toPercent = (value, base) => ((value - base) / Math.abs(base)) * 100;

/**
 * Return the uid of the trace since whose first value a trace is drawn as its change; null if it is
 * drawn as it is.
 *
 * @param {Trace} trace
 * @returns {string | null}
 */
function findBaseUid(trace) {
  const { meta, uid } = trace;
  if (typeof meta !== "string" || !isLine(trace)) return null;
  if (meta.startsWith(PERCENT_OF)) return meta.slice(PERCENT_OF.length);
  return meta === PERCENT ? uid : null;
}

/** The bases of a plot's traces. They change only when Plotly draws, together with the axes. */
export class PercentBases {
  #axes;
  /** By uid of the trace. @type {Map<string, number>} */
  #bases = new Map();

  /** @param {PlotAxes} axes */
  constructor(axes) {
    this.#axes = axes;
  }

  /**
   * Return the base of a trace; null if the trace is drawn as it is.
   *
   * @param {Trace} trace
   */
  of(trace) {
    const uid = findBaseUid(trace);
    return uid === null ? null : (this.#bases.get(uid) ?? NaN);
  }

  /**
   * Choose the first value that each stream shows, and set it as the stream's base.
   *
   * While the chart holds still, its bases stay: a zoom by a box shows what was in the box.
   *
   * @param {Stream[]} streams
   * @param {Map<string, Place | null>} places the ranges of the x axes, by root
   * @param {boolean} isFollowing
   */
  choose(streams, places, isFollowing) {
    const before = this.#bases;
    this.#bases = new Map();
    for (const stream of streams) {
      const { trace, series, root } = stream;
      if (findBaseUid(trace) !== trace.uid) continue;
      const place = isFollowing && places.get(root);
      const left = place ? this.#axes.toData(root, place.range)[0] : -Infinity;
      const known = isFollowing ? undefined : before.get(trace.uid);
      const base = known ?? series.firstNonZero(series.between(left, Infinity)[0]);
      this.#bases.set(trace.uid, base);
    }
    for (const stream of streams) if (stream.base !== null) stream.base = this.of(stream.trace);
  }
}
