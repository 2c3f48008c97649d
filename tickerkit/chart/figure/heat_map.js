/**
 * Heat map: computes the pixels of cells, as Plotly draws a heat map.
 *
 * These are pure functions; `heat_patch.js` puts the pixels on the screen.
 */

/** How many colours a table has: more than two neighbours of a colour scale differ in steps. */
const TABLE_LENGTH = 4096;
/** How far the distance of two columns may be from the mean distance, as a share; as in Plotly. */
const MAX_UNEVENNESS = 0.01;

/**
 * A colour: red, green and blue from 0 to 255, and opacity from 0 to 1.
 *
 * @typedef {[number, number, number, number]} Color
 */

/**
 * Colours of values, as pixels. A value below `least` has the first colour, one above `greatest`
 * the last.
 *
 * @typedef {{table: Uint32Array, least: number, greatest: number}} Colors
 */

/**
 * Return the edges of cells with these centres: one more than cells.
 *
 * @param {ArrayLike<number>} centers
 */
export function makeCellEdges(centers) {
  const count = centers.length;
  const edges = new Float64Array(count + 1);
  if (count === 0) return edges;
  const first = count > 1 ? (centers[1] - centers[0]) / 2 : 0.5;
  const last = count > 1 ? (centers[count - 1] - centers[count - 2]) / 2 : 0.5;
  edges[0] = centers[0] - first;
  for (let cell = 1; cell < count; cell++) edges[cell] = (centers[cell - 1] + centers[cell]) / 2;
  edges[count] = centers[count - 1] + last;
  return edges;
}

/**
 * Return whether all values have about the same distance from the next one.
 *
 * @param {ArrayLike<number>} values
 */
export function isEven(values) {
  const last = values.length - 1;
  const step = (values[last] - values[0]) / last;
  for (let at = 0; at < last; at++) {
    if (Math.abs(values[at + 1] - values[at] - step) > Math.abs(step * MAX_UNEVENNESS))
      return false;
  }
  return true;
}

/**
 * Return the table of a colour scale, from its first colour to its last.
 *
 * @param {[number, Color][]} scale shares from 0 to 1, ascending, with their colours
 */
export function makeColorTable(scale) {
  const table = new Uint32Array(TABLE_LENGTH);
  const bytes = new Uint8ClampedArray(table.buffer);
  let stop = 0;
  for (let at = 0; at < TABLE_LENGTH; at++) {
    const share = at / (TABLE_LENGTH - 1);
    while (stop < scale.length - 2 && share > scale[stop + 1][0]) stop++;
    const [[low, from], [high, to]] = [scale[stop], scale[stop + 1] ?? scale[stop]];
    const part = high > low ? Math.min(1, Math.max(0, (share - low) / (high - low))) : 0;
    for (let channel = 0; channel < 4; channel++) {
      const value = from[channel] + (to[channel] - from[channel]) * part;
      bytes[at * 4 + channel] = channel === 3 ? value * 255 : value;
    }
  }
  return table;
}

/**
 * Return for each pixel between 0 and `length` the cell that covers it; -1 for none.
 *
 * @param {ArrayLike<number>} edges of the cells in pixels, all ascending or all descending
 * @param {number} length
 */
export function findCells(edges, length) {
  const cells = new Int32Array(length).fill(-1);
  for (let cell = 0; cell < edges.length - 1; cell++) {
    const ends = [edges[cell], edges[cell + 1]].map((edge) => {
      return Math.min(length, Math.max(0, Math.round(edge)));
    });
    cells.fill(cell, Math.min(...ends), Math.max(...ends));
  }
  return cells;
}

/**
 * Write the pixels of a heat map, row by row.
 *
 * @param {Uint32Array} pixels
 * @param {Float64Array} z the values of the cells: one column after the other
 * @param {number} rows the number of values in a column
 * @param {Int32Array} columnOf the column of cells at each pixel of a row; -1 for none
 * @param {Int32Array} rowOf the row of cells at each pixel of a column, from the top; -1 for none
 * @param {Colors} colors
 */
export function paintCells(pixels, z, rows, columnOf, rowOf, { table, least, greatest }) {
  const width = columnOf.length;
  const last = table.length - 1;
  const scale = last / (greatest - least);
  let at = 0;
  for (let down = 0; down < rowOf.length; down++) {
    const row = rowOf[down];
    for (let across = 0; across < width; across++, at++) {
      const column = columnOf[across];
      const value = row < 0 || column < 0 ? NaN : z[column * rows + row];
      const index = (value - least) * scale;
      // A comparison with NaN is false: a hole is transparent.
      if (index >= last) pixels[at] = table[last];
      else if (index > 0) pixels[at] = table[(index + 0.5) | 0];
      else pixels[at] = index <= 0 ? table[0] : 0;
    }
  }
}
