/**
 * The sparkline: a small line without axes, that shows how a price has moved.
 *
 * SVG scales by itself, takes its colours from the style sheet, and stays sharp on any screen.
 * We draw in a box of 100 by 30, whatever size it has on the page.
 */

const WIDTH = 100;
const HEIGHT = 30;
const MARGIN = 3;

export function drawSparkline(svg, prices) {
  const points = place(prices);
  const line = "M" + points.join("L");
  const [area, stroke, dot] = svg.children;
  stroke.setAttribute("d", line);
  area.setAttribute("d", `${line}V${HEIGHT}H0Z`);
  // A line of no length with round ends is a dot. (A circle would be stretched with the box.)
  dot.setAttribute("d", `M${points.at(-1)}h0`);
}

/** Each price as a point "x,y": the oldest left, the newest right, the highest at the top. */
function place(prices) {
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
