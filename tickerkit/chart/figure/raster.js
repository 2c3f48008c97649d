/**
 * Raster: draws lines, areas and markers into the bytes of an image.
 *
 * Where there is no graphics card, a browser takes 4 ms to stroke a line with four points in each
 * column of pixels. This takes a tenth of that, because nearly all lines are graphs: at each x, the
 * ink of a graph is one stretch from its top down to its bottom.
 *
 * Each column of pixels has a few samples. For each sample, the top and the bottom of the ink are
 * found exactly, and the ink of a pixel is the mean of its column's samples.
 */

/** @import { Color } from "./types.d.ts" */

/** How far a line may step back while it counts as a graph, in pixels. */
const MAX_STEP_BACK_PX = 1;
/** The cosine of the sharpest turn that has a point: Plotly sets a miter limit of 2. */
const MIN_MITER_COSINE = -0.5;

/** An image, and what draws into it. All coordinates are in pixels from its top left corner. */
export class Raster {
  /** Red, green, blue and opacity of each pixel, row by row. */
  bytes;
  #pixels; // the same, four bytes as one number
  #samples; // per pixel
  /** The top and the bottom of the ink at each sample. */
  #top;
  #bottom;
  /** By how much the ink of a row is more than that of the row above. */
  #change;
  /** The samples that have ink: [from, to). */
  #from = Infinity;
  #to = 0;
  /** Where drawing is allowed. */
  #clip;

  /**
   * @param {number} width
   * @param {number} height
   * @param {number} samples in each pixel's width
   */
  constructor(width, height, samples = 4) {
    this.width = width;
    this.height = height;
    this.bytes = new Uint8ClampedArray(4 * width * height);
    this.#pixels = new Uint32Array(this.bytes.buffer);
    this.#samples = samples;
    this.#top = new Float64Array(width * samples).fill(Infinity);
    this.#bottom = new Float64Array(width * samples).fill(-Infinity);
    this.#change = new Float64Array(height + 2);
    this.#clip = { left: 0, top: 0, right: width, bottom: height };
  }

  /** Make all pixels transparent. */
  clear() {
    this.#pixels.fill(0);
  }

  /**
   * Draw only inside of a rectangle from now on.
   *
   * @param {{left: number, top: number, right: number, bottom: number}} rectangle
   */
  clip({ left, top, right, bottom }) {
    this.#clip = {
      left: Math.max(0, left),
      top: Math.max(0, top),
      right: Math.min(this.width, right),
      bottom: Math.min(this.height, bottom),
    };
  }

  /**
   * Draw a line through points; NaN breaks it.
   *
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {number} count how many of the points to draw
   * @param {number} width
   * @param {Color} color
   */
  line(x, y, count, width, color) {
    const radius = width / 2;
    // The last point, the normal of the segment that ended there, and how far the graph has come.
    let [px, py, mx, my, direction, reached] = [NaN, NaN, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const [qx, qy] = [x[i], y[i]];
      const [dx, dy] = [qx - px, qy - py];
      if (Number.isNaN(dx + dy)) {
        this.#finish(color);
        [px, py, mx, my, direction] = [qx, qy, 0, 0, 0];
        continue;
      }
      if (dx === 0 && dy === 0) continue;
      if (direction === 0) {
        direction = Math.sign(dx);
        reached = qx;
      } else if (direction * (qx - reached) < -MAX_STEP_BACK_PX) {
        this.#finish(color);
        [direction, reached] = [Math.sign(dx), qx];
      } else if (direction * (qx - reached) > 0) {
        reached = qx;
      }
      const scale = radius / Math.sqrt(dx * dx + dy * dy);
      const [nx, ny] = [-dy * scale, dx * scale];
      if (mx !== 0 || my !== 0) this.#join(px, py, mx, my, nx, ny, radius);
      this.#edge(px + nx, py + ny, qx + nx, qy + ny);
      this.#edge(px - nx, py - ny, qx - nx, qy - ny);
      this.#edge(px + nx, py + ny, px - nx, py - ny);
      this.#edge(qx + nx, qy + ny, qx - nx, qy - ny);
      [px, py, mx, my] = [qx, qy, nx, ny];
    }
    this.#finish(color);
  }

  /**
   * Fill the outer side of a turn from a segment with the normal m to one with the normal n.
   *
   * @param {number} px
   * @param {number} py
   * @param {number} mx
   * @param {number} my
   * @param {number} nx
   * @param {number} ny
   * @param {number} radius the length of both normals
   */
  #join(px, py, mx, my, nx, ny, radius) {
    const side = mx * ny - my * nx > 0 ? -1 : 1;
    const cosine = (mx * nx + my * ny) / (radius * radius);
    const [ax, ay] = [px + side * mx, py + side * my];
    const [bx, by] = [px + side * nx, py + side * ny];
    if (cosine < MIN_MITER_COSINE) {
      this.#edge(ax, ay, bx, by);
      return;
    }
    const reach = side / (1 + cosine);
    const [tx, ty] = [px + reach * (mx + nx), py + reach * (my + ny)];
    this.#edge(ax, ay, tx, ty);
    this.#edge(tx, ty, bx, by);
  }

  /**
   * Fill the area between a line through points and a height; as Plotly's, it has no gaps where
   * points are missing.
   *
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {number} count
   * @param {number} zero
   * @param {Color} color
   */
  area(x, y, count, zero, color) {
    const [samples, top, bottom] = [this.#samples, this.#top, this.#bottom];
    let [px, py] = [NaN, NaN];
    for (let i = 0; i < count; i++) {
      const [qx, qy] = [x[i], y[i]];
      if (!Number.isFinite(qx + qy)) continue;
      const [left, right] = px < qx ? [px, qx] : [qx, px];
      const from = Math.max(0, Math.ceil(left * samples - 0.5));
      const to = Math.min(top.length, Math.ceil(right * samples - 0.5));
      const slope = (qy - py) / (qx - px);
      for (let s = from; s < to; s++) {
        const height = py + ((s + 0.5) / samples - px) * slope;
        top[s] = Math.min(top[s], height, zero);
        bottom[s] = Math.max(bottom[s], height, zero);
      }
      if (from < to) this.#note(from, to);
      [px, py] = [qx, qy];
    }
    this.#finish(color);
  }

  /**
   * Draw a marker at each point.
   *
   * @param {Float64Array} x
   * @param {Float64Array} y
   * @param {number} count
   * @param {number} size the diameter
   * @param {"circle" | "square"} symbol
   * @param {Color} color
   */
  markers(x, y, count, size, symbol, color) {
    const radius = size / 2;
    const { left, top, right, bottom } = this.#clip;
    for (let i = 0; i < count; i++) {
      const [cx, cy] = [x[i], y[i]];
      const [toX, toY] = [Math.min(cx + radius, right), Math.min(cy + radius, bottom)];
      for (let row = Math.floor(Math.max(cy - radius, top)); row < toY; row++) {
        const across = overlap(row, Math.max(cy - radius, top), toY);
        for (let column = Math.floor(Math.max(cx - radius, left)); column < toX; column++) {
          const share = across * overlap(column, Math.max(cx - radius, left), toX);
          const distance = Math.hypot(column + 0.5 - cx, row + 0.5 - cy);
          const ink = symbol === "circle" ? Math.min(share, radius + 0.5 - distance) : share;
          if (ink > 0) this.#blend(row * this.width + column, ink * color.alpha, color);
        }
      }
    }
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #note(from, to) {
    if (from < this.#from) this.#from = from;
    if (to > this.#to) this.#to = to;
  }

  /**
   * Extend the ink of all samples that an edge crosses up to the edge.
   *
   * @param {number} ax
   * @param {number} ay
   * @param {number} bx
   * @param {number} by
   */
  #edge(ax, ay, bx, by) {
    const samples = this.#samples;
    const isForward = ax < bx;
    const left = (isForward ? ax : bx) * samples - 0.5;
    const right = (isForward ? bx : ax) * samples - 0.5;
    const [top, bottom] = [this.#top, this.#bottom];
    const from = Math.max(0, Math.ceil(left));
    const to = Math.min(top.length, Math.ceil(right));
    if (!(from < to)) return;
    this.#note(from, to);
    const slope = (isForward ? by - ay : ay - by) / (right - left);
    let height = (isForward ? ay : by) + (from - left) * slope;
    for (let s = from; s < to; s++) {
      if (height < top[s]) top[s] = height;
      if (height > bottom[s]) bottom[s] = height;
      height += slope;
    }
  }

  /**
   * Draw the ink of all samples, and forget it.
   *
   * @param {Color} color
   */
  #finish(color) {
    const [samples, topOf, bottomOf, change] = [
      this.#samples,
      this.#top,
      this.#bottom,
      this.#change,
    ];
    const { left, top: highest, right, bottom: lowest } = this.#clip;
    const [least, greatest] = [left * samples - 0.5, right * samples - 0.5];
    const strength = color.alpha / samples;
    for (let s = this.#from; s < this.#to; ) {
      const column = Math.floor(s / samples);
      let [first, last] = [this.height, -1];
      for (const end = Math.min(this.#to, (column + 1) * samples); s < end; s++) {
        const top = Math.max(topOf[s], highest);
        const bottom = Math.min(bottomOf[s], lowest);
        [topOf[s], bottomOf[s]] = [Infinity, -Infinity];
        if (!(top < bottom) || s < least || s > greatest) continue;
        const [from, to] = [Math.floor(top), Math.floor(bottom)];
        change[from] += from + 1 - top;
        change[from + 1] += top - from;
        change[to] -= to + 1 - bottom;
        change[to + 1] -= bottom - to;
        if (from < first) first = from;
        if (to > last) last = to;
      }
      let ink = 0;
      for (let row = first; row <= last + 1; row++) {
        ink += change[row];
        change[row] = 0;
        const opacity = ink * strength;
        if (opacity > 0.002 && row < this.height) {
          this.#blend(row * this.width + column, opacity, color);
        }
      }
    }
    [this.#from, this.#to] = [Infinity, 0];
  }

  /**
   * Put a colour over a pixel.
   *
   * @param {number} at
   * @param {number} opacity
   * @param {Color} color
   */
  #blend(at, opacity, { red, green, blue }) {
    const pixels = this.#pixels;
    const below = pixels[at];
    if (below === 0 || opacity >= 0.998) {
      const alpha = Math.round(255 * Math.min(opacity, 1));
      pixels[at] = (alpha << 24) | (blue << 16) | (green << 8) | red;
      return;
    }
    const alpha = opacity + ((below >>> 24) / 255) * (1 - opacity);
    const share = opacity / alpha;
    const byte = 4 * at;
    const { bytes } = this;
    bytes[byte] += (red - bytes[byte]) * share;
    bytes[byte + 1] += (green - bytes[byte + 1]) * share;
    bytes[byte + 2] += (blue - bytes[byte + 2]) * share;
    bytes[byte + 3] = 255 * alpha;
  }
}

/**
 * Return how much of the pixel at an index lies between two ends.
 *
 * @param {number} index
 * @param {number} from
 * @param {number} to
 */
function overlap(index, from, to) {
  return Math.min(index + 1, to) - Math.max(index, from);
}
