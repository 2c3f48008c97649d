/**
 * Heat columns: converts the columns of a heat map to and from the rows that Plotly takes.
 *
 * A series holds the values of one column side by side, as they come. Plotly's z is an array of
 * rows.
 */

/** @import { Columns } from "./types.d.ts" */
/** @import { Series } from "./series.js" */

/**
 * Return the columns in [from, to): all, or every second, fourth, ... so that at most `max` remain.
 *
 * Columns are chosen by their positions, so the choice stays as the window slides. If all are
 * returned, they are views of the series.
 *
 * @param {Series} series
 * @param {number} from
 * @param {number} to
 * @param {number} max
 * @returns {Columns} x, and z with the values of one column after those of another
 */
export function chooseColumns(series, from, to, max) {
  const [start, stop] = [Math.max(from, series.first), Math.min(to, series.next)];
  const [x, z] = [series.values("x", start, stop), series.values("z", start, stop)];
  let step = 1;
  while (x.length / step > max) step *= 2;
  if (step === 1) return { x, z };
  const before = (step - (start % step)) % step;
  const count = Math.ceil((x.length - before) / step);
  const { rows } = series;
  const chosen = { x: new Float64Array(count), z: new Float64Array(count * rows) };
  for (let column = 0; column < count; column++) {
    const at = before + column * step;
    chosen.x[column] = x[at];
    chosen.z.set(z.subarray(at * rows, (at + 1) * rows), column * rows);
  }
  return chosen;
}

/**
 * Return the values of columns as those of rows: one row after the other.
 *
 * @param {Float64Array} z
 * @param {number} rows
 */
export function flattenRows(z, rows) {
  const count = rows ? z.length / rows : 0;
  const flat = new Float64Array(z.length);
  for (let column = 0, from = 0; column < count; column++) {
    for (let to = column; to < flat.length; to += count) flat[to] = z[from++];
  }
  return flat;
}

/**
 * Return the values of columns as an array of rows.
 *
 * @param {Float64Array} z
 * @param {number} rows
 */
export function toRows(z, rows) {
  const count = rows ? z.length / rows : 0;
  const flat = flattenRows(z, rows);
  return Array.from({ length: rows }, (_, row) => flat.subarray(row * count, (row + 1) * count));
}

/**
 * Return the values of an array of rows as those of columns: one column after the other.
 *
 * @param {ArrayLike<number>[]} rows
 */
export function toColumns(rows) {
  const count = rows[0]?.length ?? 0;
  const z = new Float64Array(count * rows.length);
  for (const [row, values] of rows.entries()) {
    for (let column = 0; column < count; column++) z[column * rows.length + row] = values[column];
  }
  return z;
}

/**
 * Return rows of two columns with the same least and greatest value as all columns.
 *
 * Plotly draws the axes and the colour bar from these in a moment; the picture is drawn beside it.
 *
 * @param {Series} series
 */
export function standInRows(series) {
  const extent = series.extent(series.first, series.next);
  return Array.from({ length: series.rows }, (_, row) => {
    return row === 0 && extent ? Float64Array.from(extent) : new Float64Array(2).fill(NaN);
  });
}
