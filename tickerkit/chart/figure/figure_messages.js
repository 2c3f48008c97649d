// What plotly's FigureWidget says to its page and the page to it: values on the wire, changes to
// copies of data and layout, and the differences to report. Nothing here draws.

const ARRAYS = {
  int8: Int8Array, int16: Int16Array, int32: Int32Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array,
  float32: Float32Array, float64: Float64Array,
};
const UNDEFINED = "_undefined_";

const isObject = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) && !ArrayBuffer.isView(value);

/** Return the numbers in a buffer of a message, wherever in its message it begins. */
export function numbers(view, Kind = Float64Array) {
  const { buffer, byteOffset, byteLength } = view;
  return new Kind(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Return a value as Plotly takes it, of one as it came. */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === UNDEFINED) return undefined;
  if (!isObject(value)) return value;
  const bytes = value.buffer ?? value.value;
  if (value.dtype && value.shape && bytes) return numbers(bytes, ARRAYS[value.dtype]);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each)]));
}

/** Return a value as it travels, and as it is saved with a notebook. */
export function encode(value) {
  if (ArrayBuffer.isView(value)) return pack(value);
  if (Array.isArray(value)) return value.map(encode);
  if (value === undefined) return UNDEFINED;
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each)]));
}

/** Return a typed array as it is kept in a model's state. */
export function pack(array) {
  const dtype = Object.keys(ARRAYS).find((name) => array instanceof ARRAYS[name]);
  const buffer = new DataView(array.buffer, array.byteOffset, array.byteLength);
  return { dtype, shape: [array.length], buffer };
}

/** Return a copy that Plotly may change; typed arrays, which it does not change, are shared. */
export function copy(value) {
  if (Array.isArray(value)) return value.map(copy);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copy(each)]));
}

/** Set the value at a path such as "xaxis.range[0]"; null removes it. */
export function setPath(target, path, value) {
  const keys = Array.isArray(path) ? path : path.split(/[.[\]]+/).filter(Boolean);
  const last = keys.at(-1);
  for (const [index, key] of keys.slice(0, -1).entries()) {
    if (target[key] === null || typeof target[key] !== "object") {
      if (value === null) return;
      target[key] = /^\d+$/.test(keys[index + 1]) ? [] : {};
    }
    target = target[key];
  }
  if (value !== null) target[last] = value;
  else delete target[last];
}

function relayout(target, changes) {
  for (const [path, value] of Object.entries(changes ?? {})) {
    if (value === undefined) continue;
    setPath(target, path, value);
    // As Plotly has it: who sets a range wants it.
    const [, axis] = path.match?.(/^([xy]axis\d*)\.range(\[|$)/) ?? [];
    if (axis && value !== null && !(`${axis}.autorange` in changes) && target[axis].autorange === true) {
      target[axis].autorange = false;
    }
  }
}

function restyle(data, changes, indices) {
  for (const [path, value] of Object.entries(changes ?? {})) {
    const values = Array.isArray(value) ? value : [value];
    for (const [turn, index] of indices.entries()) {
      const one = values[turn % values.length];
      if (one !== undefined && data[index]) setPath(data[index], path, one);
    }
  }
}

/** Return the indices that a message names: one, several, or null for all. */
export function indicesOf(named, data) {
  return named === null || named === undefined ? data.map((_, index) => index) : [named].flat();
}

/** Each kind of message from Python: what it does to the copies of data and layout. */
export const APPLY = {
  addTraces: ({ data }, message) => data.push(...message.trace_data),
  deleteTraces: ({ data }, message) => {
    for (const index of [...message.delete_inds].sort((a, b) => b - a)) data.splice(index, 1);
  },
  moveTraces: ({ data }, message) => {
    const from = message.current_trace_inds;
    const moved = from.map((index) => data[index]);
    for (const index of [...from].sort((a, b) => b - a)) data.splice(index, 1);
    const order = message.new_trace_inds.map((to, index) => [to, moved[index]]);
    for (const [to, trace] of order.sort((a, b) => a[0] - b[0])) data.splice(to, 0, trace);
  },
  restyle: ({ data }, message) =>
    restyle(data, message.restyle_data, indicesOf(message.restyle_traces, data)),
  relayout: ({ layout }, message) => relayout(layout, message.relayout_data),
  update: ({ data, layout }, message) => {
    restyle(data, message.style_data, indicesOf(message.style_traces, data));
    relayout(layout, message.layout_data);
  },
  animate: ({ data, layout }, message) => {
    const indices = indicesOf(message.style_traces, data);
    for (const [turn, style] of message.style_data.entries()) relayout(data[indices[turn]], style);
    relayout(layout, message.layout_data);
  },
  removeLayoutProps: ({ layout }, message) => {
    for (const path of message.remove_props) setPath(layout, path.map(String), null);
  },
  removeTraceProps: ({ data }, message) => {
    for (const path of message.remove_props) {
      setPath(data[message.remove_trace], path.map(String), null);
    }
  },
};

function same(one, other) {
  if (one === other) return true;
  if (ArrayBuffer.isView(one) || ArrayBuffer.isView(other)) {
    return one?.length === other?.length && Array.prototype.every.call(one, (v, i) => v === other[i]);
  }
  if (!one || !other || typeof one !== "object" || typeof other !== "object") return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => same(one[key], other[key]));
}

/**
 * Return what Plotly has filled in: what of `full` is not in `known`.
 *
 * Where the user's own data have a value (a colorscale by its name, say), that one counts.
 */
export function difference(full, own, known) {
  const result = {};
  for (const [key, filled] of Object.entries(full ?? {})) {
    if (key.startsWith("_")) continue;
    const nested = isObject(filled);
    const value = nested || own?.[key] === undefined ? filled : own[key];
    if (value === null || value === undefined || typeof value === "function") continue;
    if (nested) {
      const inner = difference(value, own?.[key], known?.[key]);
      if (Object.keys(inner).length) result[key] = inner;
    } else if (key === "uid" || !same(value, known?.[key])) {
      result[key] = Array.isArray(value) && isObject(value[0])
        ? value.map((each, index) => difference(each, own?.[key]?.[index], known?.[key]?.[index]))
        : value;
    }
  }
  return result;
}
