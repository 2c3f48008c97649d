/** Values on the wire: arrays, `undefined`, copies and paths. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  copy,
  decode,
  encode,
  isEqual,
  readNumbers,
  setPath,
} from "../../../tickerkit/chart/figure/values.js";

test("numbers are read from a buffer that begins at any byte", () => {
  const bytes = new Uint8Array(3 + 16);
  bytes.set(new Uint8Array(Float64Array.of(1.5, -2).buffer), 3);
  const view = new DataView(bytes.buffer, 3, 16);
  assert.deepEqual(readNumbers(view), Float64Array.of(1.5, -2));
});

test("a value is the same after it has travelled", () => {
  const value = {
    name: "AAPL",
    visible: true,
    nothing: null,
    missing: undefined,
    x: Float64Array.of(1, NaN, 3),
    nested: [{ z: Int32Array.of(7) }, [1, "two"]],
  };
  assert.deepEqual(decode(encode(value)), value);
});

test("each of numpy's kinds of array arrives as the page's", () => {
  const kinds = [Int8Array, Int16Array, Int32Array, Uint8Array, Uint16Array, Uint32Array];
  for (const Kind of [...kinds, Float32Array, Float64Array]) {
    assert.deepEqual(decode(encode(Kind.of(1, 2))), Kind.of(1, 2));
  }
});

test("a part of an array travels alone", () => {
  const { buffer, shape } = encode(Float64Array.of(1, 2, 3, 4).subarray(1, 3));
  assert.deepEqual([buffer.byteLength, shape], [16, [2]]);
});

test("an array with its buffer under the name value is decoded too", () => {
  const value = new DataView(Float64Array.of(4).buffer);
  assert.deepEqual(decode({ dtype: "float64", shape: [1], value }), Float64Array.of(4));
});

test("a copy is of its own, but for typed arrays", () => {
  const x = Float64Array.of(1);
  const original = { x, marker: { color: ["red"] } };
  const copied = copy(original);
  copied.marker.color[0] = "blue";
  assert.equal(original.marker.color[0], "red");
  assert.equal(copied.x, x);
});

test("a path sets the value that it names, and makes missing objects on the way", () => {
  const layout = { xaxis: { range: [0, 1] } };
  setPath(layout, "xaxis.range[1]", 5);
  setPath(layout, "shapes[0].x0", 3);
  setPath(layout, ["title", "text"], "a");
  assert.deepEqual(layout, {
    xaxis: { range: [0, 5] },
    shapes: [{ x0: 3 }],
    title: { text: "a" },
  });
});

test("null removes the value that a path names, and makes no object", () => {
  const layout = { xaxis: { range: [0, 1], type: "date" } };
  setPath(layout, "xaxis.range", null);
  setPath(layout, "yaxis.range", null);
  assert.deepEqual(layout, { xaxis: { type: "date" } });
});

test("equality looks into arrays and objects", () => {
  assert.ok(isEqual({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }));
  assert.ok(isEqual(Float64Array.of(1, 2), [1, 2]));
  assert.ok(!isEqual(Float64Array.of(1, 2), [1, 3]));
  assert.ok(!isEqual(Float64Array.of(1, 2), [1]));
  assert.ok(!isEqual({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!isEqual(null, {}));
  assert.ok(!isEqual(1, "1"));
});
