/**
 * Trace types: which of Plotly's traces are drawn as lines and markers, and which as candles.
 */

/** @import { Trace } from "./types.d.ts" */

const LINE_TYPES = ["scatter", "scattergl", undefined];
const CANDLE_TYPES = ["candlestick", "ohlc"];

/**
 * Return whether a trace is drawn as lines or markers; a trace without a type is.
 *
 * @param {Trace | undefined} trace
 */
export function isLine(trace) {
  return LINE_TYPES.includes(trace?.type);
}

/**
 * Return whether a trace is drawn as candles or as OHLC bars.
 *
 * @param {Trace} trace
 */
export function isCandles({ type }) {
  return CANDLE_TYPES.includes(type);
}
