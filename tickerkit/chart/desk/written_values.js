/**
 * Written values: how numbers, times and states of a dashboard are written.
 */

import { formatDecimals } from "../../server/page/decimals.js";

/** Stands for a missing number. */
export const MISSING = "–";
const MINUS = "−";

/** The shapes of states: they differ without colour, too. @type {Record<string, string>} */
const SHAPES = { live: "●", quiet: "◐", mute: "○", refused: "✕", stale: "◌" };
/** What a state means, for its colour. @type {Record<string, string>} */
const STATUS_LEVELS = {
  live: "good",
  quiet: "calm",
  ended: "calm",
  stopped: "calm",
  mute: "bad",
  refused: "bad",
  failed: "bad",
  connecting: "waiting",
  reconnecting: "waiting",
  asked: "waiting",
  acked: "waiting",
};

const SIZES = new Intl.NumberFormat("en", { maximumSignificantDigits: 10 });
/** By their zones. @type {Map<string, Intl.DateTimeFormat>} */
const CLOCKS = new Map();

/** @param {string} status */
export const shapeOf = (status) => SHAPES[status] ?? "◌";

/** @param {string} status */
export const levelOf = (status) => STATUS_LEVELS[status] ?? "waiting";

/**
 * Write a number with these decimals, as the chart does; a dash if it is missing.
 *
 * @param {number | null | undefined} value
 * @param {number} decimals
 */
export function formatNumber(value, decimals) {
  return formatDecimals(value ?? Number.NaN, decimals);
}

/** @param {number | null | undefined} value */
export const formatSize = (value) => (typeof value === "number" ? SIZES.format(value) : MISSING);

/** Write a change with its sign: "+0.42 %". @param {number | null | undefined} percent */
export function formatChange(percent) {
  if (percent === null || percent === undefined) return MISSING;
  const size = Math.abs(percent);
  const text = formatDecimals(size, size < 99.995 ? 2 : size < 9999.5 ? 1 : 0);
  const isZero = !/[1-9]/.test(text);
  return `${isZero ? "" : percent > 0 ? "+" : MINUS}${text} %`;
}

/** Write ticks per second: "0.2/s", "1,234/s". @param {number | null | undefined} rate */
export function formatPerSecond(rate) {
  if (rate === null || rate === undefined) return MISSING;
  return `${formatDecimals(rate, rate < 9.95 && rate > 0 ? 1 : 0)}/s`;
}

/** Write an age: "0.3 s", "12 s", "5 min", "3 h". @param {number | null | undefined} age_s */
export function formatAge(age_s) {
  if (age_s === null || age_s === undefined) return MISSING;
  const age = Math.max(age_s, 0);
  if (age < 120) return `${age < 9.95 ? age.toFixed(1) : Math.round(age)} s`;
  if (age < 7200) return `${Math.round(age / 60)} min`;
  return age < 172_800 ? `${Math.round(age / 3600)} h` : `${formatDecimals(age / 86_400, 0)} d`;
}

/** Write a lag: "12 ms", "−1.27 s", "5 min". @param {number | null | undefined} lag_ms */
export function formatLag(lag_ms) {
  if (lag_ms === null || lag_ms === undefined) return MISSING;
  const size = Math.abs(lag_ms);
  const sign = lag_ms < 0 && Math.round(size) ? MINUS : "";
  if (size < 999.5) return `${sign}${Math.round(size)} ms`;
  return sign + (size < 120_000 ? `${(size / 1000).toFixed(2)} s` : formatAge(size / 1000));
}

/**
 * Write the time of day in a zone.
 *
 * @param {number} time_ms since 1970
 * @param {string} zone such as "America/New_York"
 */
export function formatClock(time_ms, zone) {
  let clock = CLOCKS.get(zone);
  if (!clock) {
    const parts = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    try {
      clock = new Intl.DateTimeFormat("en-GB", { ...parts, hourCycle: "h23", timeZone: zone });
    } catch {
      clock = new Intl.DateTimeFormat("en-GB", { ...parts, hourCycle: "h23" }); // unknown here
    }
    CLOCKS.set(zone, clock);
  }
  return clock.format(time_ms);
}
