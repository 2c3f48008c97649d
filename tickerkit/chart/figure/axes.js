// Where a live axis stands: what part of the data it shows, and when it moves.

const HEADROOM = 0.08;
const AHEAD = 0.06;
const BEYOND = 0.01;

/** Return a layout's name of an axis: "xaxis2" of "x2". */
export const axisKey = (id) => `${id[0]}axis${id.slice(1)}`;

/** Return whether the user, in Python or by a zoom, has said what an axis shows. */
export const isFixed = (axis) =>
  Boolean(axis?.range?.every((end) => end !== null && end !== undefined)) && (axis.autorange ?? false) === false;

/** Return a range as numbers: dates as milliseconds, which Plotly takes for UTC. */
export function asNumbers(range, type) {
  if (!range || type !== "date") return range?.map(Number) ?? null;
  return range.map((end) => (typeof end === "number" ? end : utc(String(end))));
}

function utc(text) {
  const [date, time = ""] = text.trim().split(/[ T]/);
  const [year, month = "01", day = "01"] = date.split("-");
  const [clock, fraction = ""] = time.replace("Z", "").split(".");
  const [hour = "00", minute = "00", second = "00"] = clock ? clock.split(":") : [];
  const whole = Date.UTC(+year, +month - 1, +day, +hour, +minute, +second);
  return whole + (fraction ? Number(`0.${fraction}`) * 1000 : 0);
}

/**
 * Return the range of x that follows the data.
 *
 * While the window fills, the range runs ahead in steps, so that the axis stands still in between.
 * Once it slides, it moves with each draw. `span` is a width that a range button has asked for.
 */
export function followX(before, [least, greatest], span) {
  if (span) return { least, range: [greatest - span, greatest + span * BEYOND] };
  const width = greatest - least || 1;
  if (before?.least !== least) return { least, range: [least, greatest + width * BEYOND] };
  if (greatest <= before.range[1]) return before;
  return { least, range: [least, greatest + width * AHEAD] };
}

/**
 * Return the range of y for what is visible: with headroom, and the one before where that still
 * fits, so that nothing trembles.
 */
export function followY(before, [least, greatest], fromZero) {
  if (fromZero) [least, greatest] = [Math.min(least, 0), Math.max(greatest, 0)];
  const height = greatest - least || Math.abs(greatest) * 1e-3 || 1;
  const fits = before && before[0] <= least && greatest <= before[1];
  if (fits && height > 0.5 * (before[1] - before[0])) return before;
  const room = height * HEADROOM;
  return [
    fromZero && least === 0 ? 0 : least - room,
    fromZero && greatest === 0 ? 0 : greatest + room,
  ];
}

/** Return the borders of pixel columns; those of a logarithmic axis stand for equal ratios. */
export function columnEdges([left, right], count, type) {
  const edges = new Float64Array(Math.max(2, Math.round(count) + 1));
  const step = (right - left) / (edges.length - 1);
  for (let index = 0; index < edges.length; index++) {
    const edge = left + index * step;
    edges[index] = type === "log" ? 10 ** edge : edge;
  }
  return edges;
}

/** Return a number with as many digits as a range of such a height needs: of a price its cents. */
export function brief(value, height) {
  const needed = Math.ceil(2 - Math.log10(Math.abs(height) || 1));
  const digits = needed < 0 ? 0 : Math.min(Math.max(needed, 2), 10);
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: Math.min(digits, 2) });
}

/** Return the time of day of an x, as an axis of dates shows it. */
export const timeOfDay = (milliseconds) => new Date(milliseconds).toISOString().slice(11, 19);
