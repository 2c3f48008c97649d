/**
 * Fit: a bar that shows less where there is less room, so that nothing in it is wrapped or cut.
 */

/**
 * Set `data-level` of a bar: "" shows all, "1" less, "1 2" less still, as the style sheets say.
 *
 * @param {HTMLElement} bar in one line, whose parts do not shrink
 * @param {number} levels the highest
 */
export function fitBar(bar, levels) {
  // Not `scrollWidth`: what lies in the padding counts as inside.
  const padding = Number.parseFloat(getComputedStyle(bar).paddingRight);
  const end = bar.getBoundingClientRect().right - padding;
  for (let level = 0; level <= levels; level++) {
    bar.dataset.level = Array.from({ length: level }, (_, at) => at + 1).join(" ");
    const last = bar.lastElementChild;
    if (!last || last.getBoundingClientRect().right <= end + 0.5) return;
  }
}
