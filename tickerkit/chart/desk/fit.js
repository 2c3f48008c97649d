/**
 * Fit: a bar that shows less where there is less room, so that nothing in it is wrapped or cut.
 */

/**
 * Set `data-level` of a bar: 0 shows all, each further level less, as desk.css says.
 *
 * @param {HTMLElement} bar in one line, whose parts do not shrink
 * @param {number} levels the highest
 * @param {number} [from] the level to begin with
 */
export function fitBar(bar, levels, from = 0) {
  for (let level = from; level <= levels; level++) {
    bar.dataset.level = String(level);
    if (bar.scrollWidth <= bar.clientWidth) return;
  }
}
