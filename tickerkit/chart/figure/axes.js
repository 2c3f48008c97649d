/**
 * Axes: which range a live axis shows, and when it moves.
 */

/** @import { AxisLayout, AxisType, Place, Range } from "./types.d.ts" */

/** Room above and below the data, as a share of their height. */
const HEADROOM_SHARE = 0.08;
/** How far the range of x runs ahead of the data while the window fills (a share of its width). */
const AHEAD_SHARE = 0.06;
/** Otherwise: room to the right of the newest point, as a share of the width. */
const RIGHT_SHARE = 0.01;

/**
 * Return the name of an axis in a layout: "xaxis2" for "x2".
 *
 * @param {string} id
 */
export const makeAxisKey = (id) => `${id[0]}axis${id.slice(1)}`;

/**
 * Return whether the user has set the range of an axis, in Python or by a zoom.
 *
 * @param {AxisLayout | null | undefined} axis
 */
export function isFixed(axis) {
  if (!axis?.range?.every((/** @type {unknown} */ end) => end !== null && end !== undefined)) {
    return false;
  }
  return (axis.autorange ?? false) === false;
}

/**
 * Return a range as numbers: dates as milliseconds, which Plotly takes for UTC.
 *
 * @param {any[] | null | undefined} range
 * @param {AxisType | undefined} type
 * @returns {Range | null}
 */
export function asNumbers(range, type) {
  if (!range) return null;
  const convert = type === "date" ? asMilliseconds : Number;
  return /** @type {Range} */ (range.map((end) => convert(end)));
}

/** @param {unknown} end */
function asMilliseconds(end) {
  if (typeof end === "number") return end;
  const [date, time = ""] = String(end).trim().split(/[ T]/);
  const [year, month = "01", day = "01"] = date.split("-");
  const [clock, fraction = ""] = time.replace("Z", "").split(".");
  const [hour = "00", minute = "00", second = "00"] = clock ? clock.split(":") : [];
  const whole = Date.UTC(+year, +month - 1, +day, +hour, +minute, +second);
  return whole + (fraction ? Number(`0.${fraction}`) * 1000 : 0);
}

/**
 * Return the range of x that follows the data.
 *
 * While the window fills, the range runs ahead in steps, and the axis does not move in between.
 * Once the window slides, the range moves with each draw.
 *
 * @param {Place | null | undefined} before
 * @param {Range} extent the least and the greatest x
 * @param {number} [span] the width that a range button has set
 * @param {number} [room] to the right of the newest point, as a share of the width
 * @returns {Place}
 */
export function followX(before, [least, greatest], span, room = RIGHT_SHARE) {
  if (span) return { least, range: [greatest - span, greatest + span * room] };
  const width = greatest - least || 1;
  if (before?.least !== least) return { least, range: [least, greatest + width * room] };
  if (greatest <= before.range[1]) return before;
  return { least, range: [least, greatest + width * AHEAD_SHARE] };
}

/**
 * Return the range of y for the visible points, with headroom.
 *
 * If the previous range still fits, it stays: a range that changed with each draw would tremble.
 *
 * @param {Range | null | undefined} before
 * @param {Range} extent the least and the greatest y
 * @param {boolean} fromZero whether zero must be visible
 * @param {number} minHeight the smallest height; less shows smaller steps than the values have
 * @returns {Range}
 */
export function followY(before, extent, fromZero, minHeight = 0) {
  let [least, greatest] = extent;
  if (fromZero) [least, greatest] = [Math.min(least, 0), Math.max(greatest, 0)];
  const ownHeight = greatest - least;
  const height = Math.max(ownHeight, minHeight) || Math.abs(greatest) * 1e-3 || 1;
  const fits = before && before[0] <= least && greatest <= before[1];
  if (fits && height > 0.5 * (before[1] - before[0])) return before;
  const room = height * HEADROOM_SHARE + Math.max(minHeight - ownHeight, 0) / 2;
  return [
    fromZero && least === 0 ? 0 : least - room,
    fromZero && greatest === 0 ? 0 : greatest + room,
  ];
}

/**
 * Return the borders of pixel columns; on a logarithmic axis, each column spans the same ratio.
 *
 * @param {Range} range
 * @param {number} count
 * @param {AxisType | undefined} type
 */
export function makeColumnEdges([left, right], count, type) {
  const edges = new Float64Array(Math.max(2, Math.round(count) + 1));
  const step = (right - left) / (edges.length - 1);
  for (let index = 0; index < edges.length; index++) {
    const edge = left + index * step;
    edges[index] = type === "log" ? 10 ** edge : edge;
  }
  return edges;
}

/**
 * Format the time of day of an x value, as a date axis shows it.
 *
 * @param {number} milliseconds
 */
export const formatTimeOfDay = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 19);
