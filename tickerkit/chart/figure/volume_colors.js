/**
 * Volume colours: draws bars of volume in the colours of their candles.
 */

import { isCandles } from "./trace_types.js";

/** @import { Columns, Stream, Trace } from "./types.d.ts" */

/** The colour that Python gives to bars of volume; the user may give them another. */
const VOLUME_COLOR = "rgba(128,128,128,.6)";
/** The colour of a bar without a candle, and in the legend. */
const NO_DIRECTION_COLOR = "rgb(128,128,128)";
const VOLUME_OPACITY = 0.6;

/** Plotly's traces that have these colours. @type {WeakSet<Trace>} */
const colored = new WeakSet();

/**
 * Return the stream of the candles whose colours bars have; null if the bars have their own.
 *
 * @param {Stream} stream
 * @param {Stream[]} streams
 * @param {Trace[]} data the figure's own
 */
export function findCandles({ trace, x }, streams, data) {
  const own = data.find(({ uid }) => uid === trace.uid);
  if (trace.type !== "bar" || own?.marker?.color !== VOLUME_COLOR) return null;
  return streams.find((each) => isCandles(each.trace) && each.x === x) ?? null;
}

/**
 * Return whether Plotly's trace has the colours of candles, which Python does not know.
 *
 * @param {Trace} trace
 */
export function isColored(trace) {
  return colored.has(trace);
}

/**
 * Return the directions of bars, as Plotly colours the candles at the same x: 1 up, -1 down, 0
 * without a candle.
 *
 * @param {Float64Array} x
 * @param {Columns} candles as they are drawn
 */
export function findDirections(x, candles) {
  const { open, high, low, close } = candles;
  const byX = new Map();
  let [direction, before] = [1, NaN];
  for (let i = 0; i < candles.x.length; i++) {
    if (Number.isNaN(open[i] + high[i] + low[i] + close[i])) continue;
    // A candle that closes where it opens has the direction since the close before it. If that is
    // the same price, too, it has the direction of the candle before it.
    direction = Math.sign(close[i] - open[i] || close[i] - before) || direction;
    before = close[i];
    byX.set(candles.x[i], direction);
  }
  return Float64Array.from(x, (each) => byX.get(each) ?? 0);
}

/**
 * Give Plotly's traces of volume the colours of the candles that are drawn.
 *
 * The colours are a scale, not a list: Plotly shows the middle of a scale in the legend, but the
 * first colour of a list.
 *
 * @param {Stream[]} streams
 * @param {Trace[]} data the figure's own
 */
export function colorVolumes(streams, data) {
  for (const { trace, candles } of streams) {
    const own = data.find(({ uid }) => uid === trace.uid)?.marker ?? {};
    if (!candles) {
      if (colored.delete(trace)) trace.marker = { ...own };
      continue;
    }
    const { increasing, decreasing } = candles.full;
    trace.marker = {
      opacity: VOLUME_OPACITY,
      ...own,
      color: findDirections(trace.x, candles.trace),
      colorscale: [
        [0, decreasing?.line?.color ?? NO_DIRECTION_COLOR],
        [0.5, NO_DIRECTION_COLOR],
        [1, increasing?.line?.color ?? NO_DIRECTION_COLOR],
      ],
      cmin: -1,
      cmax: 1,
    };
    colored.add(trace);
  }
}
