/**
 * Values: converts arrays and `undefined` to and from the form in messages and in a model's state.
 */

/** @import { Packed } from "./types.d.ts" */

/** @typedef {Record<string, any>} Dict */
/** @typedef {{new (buffer: ArrayBuffer): any}} ArrayKind */

/** The kinds of array, by numpy's names. @type {Record<string, ArrayKind>} */
const ARRAYS = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
};
const UNDEFINED = "_undefined_";

/**
 * Return whether a value is an object with names and values.
 *
 * @param {any} value
 * @returns {value is Dict}
 */
export const isDict = (value) =>
  value !== null &&
  typeof value === "object" &&
  !Array.isArray(value) &&
  !ArrayBuffer.isView(value);

/**
 * Return the numbers in a buffer of a message.
 *
 * They are copied, because a buffer may begin at any byte of its message.
 *
 * @param {ArrayBufferView} view
 * @param {ArrayKind} Kind
 */
export function readNumbers(view, Kind = Float64Array) {
  const { buffer, byteOffset, byteLength } = view;
  return new Kind(/** @type {ArrayBuffer} */ (buffer.slice(byteOffset, byteOffset + byteLength)));
}

/**
 * Convert a value from a message or a state to the form that Plotly takes.
 *
 * @param {any} value
 * @returns {any}
 */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === UNDEFINED) return undefined;
  if (!isDict(value)) return value;
  const bytes = value.buffer ?? value.value;
  if (value.dtype && value.shape && bytes) {
    return splitRows(readNumbers(bytes, ARRAYS[value.dtype]), value.shape);
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each)]));
}

/**
 * Return the numbers of an array; those of an array of two dimensions as an array of its rows.
 *
 * @param {any} numbers
 * @param {number[]} shape
 */
function splitRows(numbers, [rows, columns]) {
  if (columns === undefined) return numbers;
  return Array.from({ length: rows }, (_, row) =>
    numbers.subarray(row * columns, (row + 1) * columns),
  );
}

/**
 * Convert a value to the form in which it is sent, and saved with a notebook.
 *
 * @param {any} value
 * @returns {any}
 */
export function encode(value) {
  if (ArrayBuffer.isView(value)) return pack(value);
  if (Array.isArray(value)) return value.map(encode);
  if (value === undefined) return UNDEFINED;
  if (!isDict(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each)]));
}

/**
 * Convert a typed array to the form in a model's state.
 *
 * @param {any} array
 * @param {number[]} [shape] rows and columns of an array of two dimensions, row by row
 * @returns {Packed}
 */
export function pack(array, shape = [array.length]) {
  const dtype = Object.keys(ARRAYS).find((name) => array instanceof ARRAYS[name]);
  const buffer = new DataView(array.buffer, array.byteOffset, array.byteLength);
  return { dtype, shape, buffer };
}

/**
 * Return a copy that Plotly may change; typed arrays, which Plotly doesn't change, are shared.
 *
 * @param {any} value
 * @returns {any}
 */
export function copy(value) {
  if (Array.isArray(value)) return value.map(copy);
  if (!isDict(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copy(each)]));
}

/**
 * Set the value at a path such as "xaxis.range[0]"; null removes it.
 *
 * @param {any} target
 * @param {string | string[]} path
 * @param {any} value
 */
export function setPath(target, path, value) {
  const keys = Array.isArray(path) ? path : path.split(/[.[\]]+/).filter(Boolean);
  const last = /** @type {string} */ (keys.at(-1));
  let inner = target;
  for (const [index, key] of keys.slice(0, -1).entries()) {
    if (inner[key] === null || typeof inner[key] !== "object") {
      if (value === null) return;
      inner[key] = /^\d+$/.test(keys[index + 1]) ? [] : {};
    }
    inner = inner[key];
  }
  if (value !== null) inner[last] = value;
  else delete inner[last];
}

/**
 * Return whether two values are equal, with all that they contain.
 *
 * @param {any} one
 * @param {any} other
 * @returns {boolean}
 */
export function isEqual(one, other) {
  if (one === other) return true;
  if (ArrayBuffer.isView(one) || ArrayBuffer.isView(other)) {
    if (one?.length !== other?.length) return false;
    return Array.prototype.every.call(one, (value, index) => value === other[index]);
  }
  if (!one || !other || typeof one !== "object" || typeof other !== "object") return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => isEqual(one[key], other[key]));
}
