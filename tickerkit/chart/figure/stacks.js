/**
 * Stacks: streamed traces whose values Plotly adds up, areas or bars.
 */

/** @import { Plot, Stream, Trace } from "./types.d.ts" */

/**
 * Return the ids of the y axes that show sums of values, which only Plotly knows.
 *
 * @param {Plot} plot
 * @param {Stream[]} streams
 * @returns {Set<string>}
 */
export function findStackedAxes(plot, streams) {
  const addsBars = ["stack", "relative"].includes(plot._fullLayout.barmode);
  const bars = streams.filter(({ trace }) => trace.type === "bar");
  const stacked = streams.filter(({ full, x, y }) => {
    if (!addsBars || full.type !== "bar") return full.stackgroup;
    return bars.filter((bar) => bar.x === x && bar.y === y).length > 1;
  });
  return new Set(stacked.map(({ y }) => y));
}

/**
 * Have Plotly add up thinned areas: they have points at different x, and at the x of the others
 * Plotly would take a value for zero.
 *
 * @param {Stream[]} streams
 * @param {boolean} areThinned
 * @param {Trace[]} data the figure's own
 */
export function joinStacks(streams, areThinned, data) {
  for (const { trace, full } of streams) {
    if (!full.stackgroup) continue;
    const own = data.find(({ uid }) => uid === trace.uid)?.stackgaps;
    trace.stackgaps = areThinned ? "interpolate" : own;
  }
}

/**
 * Return the height at which Plotly draws the newest value of each stacked area; of a stack of
 * shares, which only Plotly knows, NaN.
 *
 * @param {Stream[]} streams
 * @returns {Map<string, number>} by the uids of the traces
 */
export function findStackHeights(streams) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  /** @type {Map<string, number>} */
  const heights = new Map();
  for (const { trace, full, series, x, y } of streams) {
    if (!full.stackgroup) continue;
    const stack = `${x}${y} ${full.stackgroup}`;
    const value = full.groupnorm ? NaN : (series.last()?.y ?? NaN);
    sums.set(stack, (sums.get(stack) ?? 0) + value);
    heights.set(trace.uid, sums.get(stack) ?? NaN);
  }
  return heights;
}
