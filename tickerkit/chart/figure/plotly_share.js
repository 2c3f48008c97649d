/**
 * Plotly share: keeps Plotly's planned draws, of all figures of a page, to a share of its time.
 *
 * While patches show all that moves, Plotly still draws each figure once a second. Twenty figures
 * that were shown at once would all draw in the same frame, which then takes 0.3 s.
 */

/** The share of the page's time that planned draws may take. */
const MAX_SHARE = 0.2;

/** All kernels of a page share it. @type {{until: number}} */
const rest = shareInPage("tickerkit.plotly-rest");

/** @param {string} name */
function shareInPage(name) {
  const page = /** @type {Record<symbol, any>} */ (globalThis);
  page[Symbol.for(name)] ??= { until: -Infinity };
  return page[Symbol.for(name)];
}

/**
 * Note a draw by Plotly. Times are in milliseconds.
 *
 * @param {number} startedAt
 * @param {number} endedAt
 */
export function notePlotlyDraw(startedAt, endedAt) {
  rest.until = Math.max(rest.until, startedAt + (endedAt - startedAt) / MAX_SHARE);
}

/**
 * Return whether Plotly's planned draws have to wait for those that were before.
 *
 * @param {number} now
 */
export function isPlotlyResting(now) {
  return now < rest.until;
}
