/**
 * Point arrays: gives the drawn points their values of properties that are arrays, such as sizes.
 *
 * Plotly reads such an array by the place of a point among those drawn. The points drawn here are a
 * choice of those held, so the arrays must be the same choice.
 */

import { setPath } from "./values.js";

/** @import { Trace } from "./types.d.ts" */

/** Appended points look like the last of the trace's own points. */
const LOOKS = [
  "marker.size",
  "marker.color",
  "marker.opacity",
  "marker.symbol",
  "marker.angle",
  "marker.line.color",
  "marker.line.width",
  "marker.pattern.shape",
  "textposition",
  "width",
  "offset",
];
/** Appended points have none of these. */
const FACTS = [
  "text",
  "texttemplate",
  "hovertext",
  "hovertemplate",
  "customdata",
  "ids",
  "error_x.array",
  "error_x.arrayminus",
  "error_y.array",
  "error_y.arrayminus",
];

/**
 * Give Plotly's trace, in each array of the figure's own, the values of the points drawn.
 *
 * @param {Trace} trace Plotly's
 * @param {Trace} own the figure's; its arrays begin with the value of position 0
 * @param {() => number[]} getPositions returns the positions of the points drawn
 */
export function choosePointArrays(trace, own, getPositions) {
  /** @type {number[] | undefined} */
  let positions;
  for (const path of [...LOOKS, ...FACTS]) {
    const values = path.split(".").reduce((inner, key) => inner?.[key], own);
    if (!(Array.isArray(values) || ArrayBuffer.isView(values))) continue;
    const all = /** @type {ArrayLike<unknown>} */ (/** @type {unknown} */ (values));
    const last = LOOKS.includes(path) ? all[all.length - 1] : null;
    positions ??= getPositions();
    setPath(
      trace,
      path,
      positions.map((at) => (at < all.length ? all[at] : last)),
    );
  }
}
