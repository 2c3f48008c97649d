/**
 * Top margin: how much more room the title and the mode bar need above the legend.
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
