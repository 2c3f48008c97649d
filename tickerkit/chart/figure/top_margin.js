/**
 * Top margin: how much more room the title and the mode bar need at the top of a figure.
 */

/** @import { Plot } from "./types.d.ts" */

/**
 * Return by how many pixels the top margin must grow, so that neither the title nor the mode bar
 * covers the legend above the plot; 0 or less if there is room.
 *
 * @param {Plot} plot
 */
export function measureLack(plot) {
  const { title, legend, modebar } = plot._fullLayout;
  const lower = legend?.y > 1 ? measure(plot, ".infolayer .legend") : null;
  if (!lower) return 0;
  const upper = title?.text ? measure(plot, ".infolayer .gtitle") : null;
  // Also while the bar is not seen: the legend doesn't move when the mouse enters the chart.
  const bar = modebar?.orientation === "v" ? null : measure(plot, ".modebar");
  const names = [...plot.querySelectorAll(".infolayer .legend .legendtext")];
  const isUnderBar = bar && names.some((name) => overlaps(name.getBoundingClientRect(), bar));
  return Math.max(upper?.bottom ?? -Infinity, isUnderBar ? bar.bottom : -Infinity) - lower.top;
}

/**
 * Return by how many pixels a title of several lines is cut by the top of the figure; 0 or less if
 * it is whole. Plotly puts the middle of its lines where a single line would be.
 *
 * @param {Plot} plot
 */
export function measureTitleCut(plot) {
  const { title } = plot._fullLayout;
  const upper = title?.text && title.yanchor === "top" ? measure(plot, ".infolayer .gtitle") : null;
  // Once it has been moved by its own height, moving it further won't help.
  if (!upper || (title.pad?.t ?? 0) > upper.height) return 0;
  return plot.getBoundingClientRect().top - upper.top;
}

/**
 * Return where an element is in the window, or null if it has no height.
 *
 * @param {Plot} plot
 * @param {string} selector
 */
function measure(plot, selector) {
  const box = plot.querySelector(selector)?.getBoundingClientRect();
  return box?.height ? box : null;
}

/**
 * @param {DOMRect} one
 * @param {DOMRect} other
 */
function overlaps(one, other) {
  const isBeside = one.right <= other.left || other.right <= one.left;
  return !isBeside && one.top < other.bottom && other.top < one.bottom;
}
