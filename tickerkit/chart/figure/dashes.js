/**
 * Dashes: cuts a line into dashes, as a browser does for a path of SVG.
 */

/** Plotly's own dashes: the lengths of dash, gap, dash, ..., in widths of the line.
 *  @type {Record<string, number[]>} */
const DASHES = {
  dot: [1, 1],
  dash: [3, 3],
  longdash: [5, 5],
  dashdot: [3, 1, 1, 1],
  longdashdot: [5, 2, 1, 2],
};
/** Plotly's dashes are as long as if no line were thinner. */
const MIN_WIDTH_PX = 3;

/**
 * Return the lengths of the dashes and gaps of a line, in pixels; none of a solid line. Return null
 * if they can't be read.
 *
 * @param {string | undefined} dash as Plotly takes it
 * @param {number} width of the line
 * @returns {number[] | null}
 */
export function readDash(dash = "solid", width = 2) {
  if (dash === "solid" || dash === "") return [];
  const unit = Math.max(width, MIN_WIDTH_PX);
  if (dash in DASHES) return DASHES[dash].map((length) => length * unit);
  const parts = dash.split(/[ ,]+/);
  if (!parts.every((part) => /^\d+(\.\d+)?(px)?$/.test(part))) return null;
  const lengths = parts.map((part) => Number.parseFloat(part));
  if (!lengths.some(Boolean)) return [];
  return lengths.length % 2 ? [...lengths, ...lengths] : lengths;
}

/**
 * Return a line cut into dashes, which are separated by NaN.
 *
 * @param {Float64Array} x
 * @param {Float64Array} y
 * @param {number} count how many points the line has
 * @param {number[]} lengths of dash, gap, dash, ...; an even number of them
 */
export function cutDashes(x, y, count, lengths) {
  /** @type {{x: number[], y: number[]}} */
  const cut = { x: [], y: [] };
  const add = (/** @type {number} */ atX, /** @type {number} */ atY) => {
    cut.x.push(atX);
    cut.y.push(atY);
  };
  let [part, rest] = [0, lengths[0]]; // which dash or gap it is, and how much of it is left
  for (let i = 0; i < count; i++) {
    const [dx, dy] = i ? [x[i] - x[i - 1], y[i] - y[i - 1]] : [NaN, NaN];
    const length = Math.hypot(dx, dy);
    if (Number.isNaN(length)) {
      [part, rest] = [0, lengths[0]];
      add(NaN, NaN);
      add(x[i], y[i]);
      continue;
    }
    let done = 0;
    while (length - done > rest) {
      done += rest;
      add(x[i - 1] + (dx * done) / length, y[i - 1] + (dy * done) / length);
      if (part % 2 === 0) add(NaN, NaN);
      part = (part + 1) % lengths.length;
      rest = lengths[part];
    }
    rest -= length - done;
    if (part % 2 === 0) add(x[i], y[i]);
  }
  return { x: Float64Array.from(cut.x), y: Float64Array.from(cut.y) };
}
