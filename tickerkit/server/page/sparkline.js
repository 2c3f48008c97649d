/**
 * The sparkline: a small line without axes, which shows how a price has moved.
 *
 * SVG scales with the page, takes its colours from the style sheet, and stays sharp on any screen.
 * The line is drawn in coordinates of 100 by 30, whatever its size on the page.
 */

const WIDTH = 100;
const HEIGHT = 30;
const MARGIN = 3;

/**
 * Draw prices into the three paths of an SVG: the area, the line, and the dot at its end.
 *
 * @param {Element} svg
 * @param {number[]} prices the newest last; at least one
 */
export function drawSparkline(svg, prices) {
  const points = makeSparklinePoints(prices);
  const line = `M${points.join("L")}`;
  const [area, stroke, dot] = svg.children;
  stroke.setAttribute("d", line);
  // One price is no line, and the area below it would be a wedge.
  area.setAttribute("d", prices.length > 1 ? `${line}V${HEIGHT}H0Z` : "");
  // A line of no length with round ends is a dot. (A circle would be stretched with the box.)
  dot.setAttribute("d", `M${points.at(-1)}h0`);
}

/**
 * Return each price as a point "x,y": the oldest left, the newest right, the highest at the top.
 *
 * @param {number[]} prices
 */
export function makeSparklinePoints(prices) {
  const low = Math.min(...prices);
  const high = Math.max(...prices);
  const across = WIDTH / Math.max(1, prices.length - 1);
  return prices.map((price, i) => {
    const x = prices.length === 1 ? WIDTH : i * across;
    // A price that never moved is a line through the middle: there is no range to divide by.
    const share = high === low ? 0.5 : (price - low) / (high - low);
    const y = HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
}
