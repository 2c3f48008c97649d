/**
 * Newest values: in the legend, and as labels at the right edge of the plot.
 */

import { Decimals, formatDecimals } from "../../server/page/decimals.js";
import { asNumbers } from "./axes.js";
import { toPercent } from "./percent.js";
import { findStackHeights } from "./stacks.js";

/** @import { AxisLayout, Label, Place, Plot, Stream, Trace } from "./types.d.ts" */
/** @import { PlotAxes } from "./plot_axes.js" */
/** @import { Series } from "./series.js" */

const LABEL_GAP_PX = 3;
const GREY = "#808080";
/** With so many labels in a pane, each has the name of its trace: colours alone are not enough. */
const MIN_NAMED = 5;
/** Longer names are cut in labels. */
const MAX_NAME_LENGTH = 12;
/** The formats of plotly that labels follow: ",.2f", "+,.2f", ".4f". */
const FORMAT = /^(\+?),?\.(\d+)f$/;
/** How many points are looked at to learn the decimals of a trace without a format. */
const MAX_LEARNT_POINTS = 1000;
/** Colours of a lower luminance need white text; then the contrast is 4.5 at least. */
const MIN_LIGHT = 0.179;
/** The characters that `labels.py` replaces. @type {Record<string, string>} */
const ENTITIES = { "&lt;": "<", "&#36;": "$", "&#123;": "{", "&amp;": "&" };

/** The decimals of traces without a format.
 *  @type {WeakMap<Series, {decimals: Decimals, next: number}>} */
const learntDecimals = new WeakMap();

/**
 * Return a trace's colour.
 *
 * @param {Trace} full
 * @returns {string}
 */
const findColor = (full) =>
  full.line?.color ?? full.increasing?.line?.color ?? full.marker?.color ?? GREY;

/**
 * Return the format that Python has set for the values of a trace, or null.
 *
 * @param {Trace} full
 * @param {AxisLayout} [axis]
 */
export function readFormat(full, axis = {}) {
  const given = full.yhoverformat || axis.hoverformat || axis.tickformat || "";
  const [, sign, decimals] = FORMAT.exec(given) ?? [];
  return decimals === undefined ? null : { decimals: Number(decimals), hasSign: sign === "+" };
}

/**
 * Return the newest value of a trace as text, as hovering and the axis show it.
 *
 * @param {Stream} stream
 * @param {AxisLayout} axis
 * @param {number} value
 */
function formatValue({ full, series }, axis, value) {
  const { decimals, hasSign } = readFormat(full, axis) ?? {
    decimals: learnDecimals(series),
    hasSign: false,
  };
  return formatDecimals(value, decimals, hasSign) + (axis.ticksuffix ?? "");
}

/**
 * Return the newest value of a line, or the close of the newest bar, as it is drawn; or null.
 *
 * @param {Stream} stream
 */
function findNewest({ series, base }) {
  const value = series.last()?.[series.names[series.names.length - 1]];
  if (value === undefined) return null;
  return base === null ? value : toPercent(value, base);
}

/** @param {Series} series */
function learnDecimals(series) {
  const learnt = learntDecimals.get(series) ?? { decimals: new Decimals(), next: 0 };
  learntDecimals.set(series, learnt);
  const { first, next } = series;
  // The last point again: it may be a bar that has changed.
  const start = Math.max(first, next - MAX_LEARNT_POINTS, Math.min(learnt.next, next) - 1);
  for (let position = start; position < next; position++) {
    const point = series.at(position) ?? {};
    for (const name of series.names) learnt.decimals.add(point[name]);
  }
  learnt.next = next;
  return learnt.decimals.count;
}

/**
 * Write the newest values into the legend, but not into the text that hovering shows.
 *
 * @param {Plot} plot
 * @param {Stream[]} streams
 * @param {PlotAxes} axes
 * @param {Trace[]} data the figure's own
 */
export function writeLegend(plot, streams, axes, data) {
  const isAlongX = String(plot._fullLayout.hovermode).startsWith("x");
  /** @type {Set<string>} */
  const begun = new Set();
  for (const stream of streams) {
    const { trace, full, series, y } = stream;
    const own = data.find((each) => each.uid === trace.uid) ?? {};
    const newest = stream.isHeat ? null : findNewest(stream);
    // A bar has four values, which hovering shows with its name.
    if (!own.name || newest === null || full.showlegend === false || series.names.length > 1)
      continue;
    if (own.yhoverformat && !readFormat(own)) continue; // such as a volume's
    const name = shortenName(own.name, begun, full.legend);
    trace.name = `${name} ${formatValue(stream, axes.drawn(y), newest)}`;
    if (own.hovertemplate || own.hoverinfo || own.text) continue;
    trace.hovertemplate = `${isAlongX ? "%{y}" : "(%{x}, %{y})"}<extra>${own.name}</extra>`;
  }
}

/**
 * Return the name of a trace for the legend of a pane: only its last word if the name before it
 * begins in the same way, such as "macd(12, 26, 9) line" and "macd(12, 26, 9) signal".
 *
 * @param {string} name
 * @param {Set<string>} begun the beginnings of the names so far
 * @param {string} [legend] the main one by default, whose names stay whole
 */
function shortenName(name, begun, legend = "legend") {
  const end = name.lastIndexOf(" ");
  const beginning = `${legend} ${name.slice(0, end)}`;
  if (legend === "legend" || end < 0) return name;
  const isKnown = begun.has(beginning);
  begun.add(beginning);
  return isKnown ? name.slice(end + 1) : name;
}

/**
 * Return the labels of the newest values that are visible.
 *
 * @param {Plot} plot
 * @param {Stream[]} streams
 * @param {PlotAxes} axes
 * @param {Map<string, Place | null>} places the ranges of the x axes, by root
 * @param {Trace[]} data the figure's own
 * @returns {Label[]}
 */
export function makeNewestLabels(plot, streams, axes, places, data) {
  /** @type {Label[]} */
  const labels = [];
  const isRightTaken = hasRightSide(plot._fullLayout);
  const heights = findStackHeights(streams);
  for (const stream of streams) {
    const { series, trace, full, x, y, root } = stream;
    const last = series.last();
    const range = places.get(root)?.range;
    if (!last || !range || trace.type === "bar" || stream.isHeat) continue;
    if (isSecondary(stream, streams)) continue;
    const [left, right] = axes.toData(root, range);
    if (!(left <= last.x && last.x <= right)) continue;
    const [xaxis, yaxis] = [axes.drawn(x), axes.drawn(y)];
    const [bottom, top] = asNumbers(yaxis.range, "linear") ?? [NaN, NaN];
    const value = /** @type {number} */ (findNewest(stream));
    const drawn = heights.get(trace.uid) ?? value;
    const position = yaxis.type === "log" ? Math.log10(drawn) : drawn;
    const share = (top - position) / (top - bottom);
    if (!(share >= 0 && share <= 1)) continue;
    const [offset, height] = [yaxis._offset ?? NaN, yaxis._length ?? NaN];
    const end = (xaxis._offset ?? NaN) + (xaxis._length ?? NaN);
    const isInside = isRightTaken || (xaxis.domain?.[1] ?? 1) < 1;
    const color = (last.close < last.open && full.decreasing?.line?.color) || findColor(full);
    labels.push({
      key: trace.uid,
      text: formatValue(stream, yaxis, value),
      color,
      ink: chooseInk(color),
      isInside,
      x: end + (isInside ? -LABEL_GAP_PX : LABEL_GAP_PX),
      y: offset + share * height,
      area: /** @type {[number, number]} */ ([offset, offset + height]),
    });
  }
  return labels.map((label) => {
    const besides = labels.filter(({ area }) => area[0] === label.area[0]);
    return besides.length < MIN_NAMED ? label : addName(label, data);
  });
}

/**
 * Return whether a trace belongs to another one beside it, which the legend names for both, such as
 * the edge of a band.
 *
 * @param {Stream} stream
 * @param {Stream[]} streams
 */
function isSecondary({ full, x, y }, streams) {
  if (!full.legendgroup || full.showlegend !== false) return false;
  return streams.some(
    (other) =>
      other.full.legendgroup === full.legendgroup &&
      other.full.showlegend === true &&
      other.x === x &&
      other.y === y,
  );
}

/**
 * Return whether something is on the right of the plot: an axis or a legend.
 *
 * @param {Record<string, any>} layout with all that Plotly has filled in
 */
function hasRightSide(layout) {
  const { legend, showlegend } = layout;
  if (showlegend && legend && legend.orientation !== "h" && legend.x >= 1) return true;
  return Object.entries(layout).some(
    ([key, axis]) => /^yaxis\d*$/.test(key) && axis.side === "right" && axis.visible !== false,
  );
}

/**
 * @param {Label} label
 * @param {Trace[]} data
 * @returns {Label}
 */
function addName(label, data) {
  const name = readName(data.find(({ uid }) => uid === label.key)?.name ?? "");
  return { ...label, text: name ? `${name} ${label.text}` : label.text };
}

/**
 * Return a trace's name as plain text, at most 12 characters.
 *
 * @param {string} name as plotly reads it, with tags and entities
 */
function readName(name) {
  const text = name
    .replace(/<[^>]*>/g, "")
    .replace(/&(lt|#36|#123|amp);/g, (entity) => ENTITIES[entity]);
  return text.length > MAX_NAME_LENGTH ? `${text.slice(0, MAX_NAME_LENGTH - 1)}…` : text;
}

/**
 * Return the colour of text on a colour: black or white, whichever differs more.
 *
 * @param {string} color
 */
export function chooseInk(color) {
  const [red, green, blue] = parseColor(color).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > MIN_LIGHT ? "#000" : "#fff";
}

/**
 * Return red, green and blue of a colour such as "#2b7fd4" or "rgb(43, 127, 212)"; of the name of a
 * colour those of black.
 *
 * @param {string} color
 */
function parseColor(color) {
  const hex = /^#(..)(..)(..)$/.exec(color);
  if (hex) return hex.slice(1).map((part) => Number.parseInt(part, 16));
  const numbers = /^rgba?\(/.test(color) ? (color.match(/[\d.]+/g) ?? []) : [];
  return numbers.length < 3 ? [0, 0, 0] : numbers.slice(0, 3).map(Number);
}
