/**
 * Spark: the trend of a symbol as a small line on a canvas.
 */

/** The colours that a script needs; all others are in the style sheets alone.
 *  @typedef {Record<"rise" | "fall" | "flat" | "base" | "riseTint" | "fallTint", string>}
 *    DeskColors */

const LINE_PX = 1.25;
const MARGIN_PX = 3;
const AREA_ALPHA = 0.14;

/**
 * Return points of a line in a box, and the height of its first value; without two values none.
 *
 * @param {(number | null)[]} values the newest last
 * @param {number} width
 * @param {number} height
 */
export function placePoints(values, width, height) {
  const numbers = /** @type {number[]} */ (values.filter((value) => value !== null));
  if (numbers.length < 2) return { points: [], base: 0 };
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const across = (width - MARGIN_PX) / (values.length - 1);
  const down = height - 2 * MARGIN_PX;
  const place = (/** @type {number} */ value) =>
    MARGIN_PX + (high === low ? 0.5 : (high - value) / (high - low)) * down;
  /** @type {[number, number][]} */
  const points = [];
  values.forEach((value, at) => {
    if (value !== null) points.push([at * across, place(value)]);
  });
  return { points, base: points[0][1] };
}

/**
 * Draw a row's trend: a line over a base, its first value, in the colour of its direction.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {(number | null)[]} values the newest last
 * @param {{width: number, height: number, ratio: number}} size in pixels of the page
 * @param {DeskColors} colors
 */
export function drawSpark(canvas, values, { width, height, ratio }, colors) {
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const { points, base } = placePoints(values, width, height);
  if (!points.length) return;
  const [endX, endY] = points[points.length - 1];
  const color = endY < base ? colors.rise : endY > base ? colors.fall : colors.flat;
  context.strokeStyle = colors.base;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(0, Math.round(base) + 0.5);
  context.lineTo(width, Math.round(base) + 0.5);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.strokeStyle = color;
  context.fillStyle = color;
  context.lineWidth = LINE_PX;
  context.lineJoin = "round";
  context.stroke();
  context.lineTo(endX, base);
  context.lineTo(points[0][0], base);
  context.globalAlpha = AREA_ALPHA;
  context.fill();
  context.globalAlpha = 1;
  context.beginPath();
  context.arc(endX, endY, 2, 0, 2 * Math.PI);
  context.fill();
}
