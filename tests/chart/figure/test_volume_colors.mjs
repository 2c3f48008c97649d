/** Bars of volume have the colours of their candles. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  colorVolumes,
  findCandles,
  findDirections,
  isColored,
} from "../../../tickerkit/chart/figure/volume_colors.js";

const GIVEN = { color: "rgba(128,128,128,.6)" };
const floats = (...values) => Float64Array.from(values);

/** Return candles that open and close at these prices, at x = 0, 1, 2, ... */
function candlesOf(open, close) {
  const [x, ends] = [floats(...open.keys()), [floats(...open), floats(...close)]];
  return { x, open: ends[0], high: ends[0], low: ends[1], close: ends[1] };
}

/** Return the streams of candles and of volume at the same x, and the figure's own traces. */
function volumeOf(marker) {
  const full = { increasing: { line: { color: "green" } }, decreasing: { line: { color: "red" } } };
  const candles = { trace: { uid: "c", type: "candlestick", ...candlesOf([1, 2], [2, 1]) } };
  const volume = { trace: { uid: "v", type: "bar", marker: { ...marker }, x: floats(0, 1, 2) } };
  const streams = [
    { ...candles, full, x: "x" },
    { ...volume, full: {}, x: "x" },
  ];
  return { streams, volume: streams[1], data: [{ uid: "c" }, { uid: "v", marker }] };
}

/** Colour the volume as a draw does. */
function color({ streams, data }) {
  for (const each of streams) each.candles = findCandles(each, streams, data);
  colorVolumes(streams, data);
}

test("a bar has the direction of the candle at its x, and none without a candle", () => {
  assert.deepEqual(
    [...findDirections(floats(-1, 0, 1, 5), candlesOf([1, 2], [2, 1]))],
    [0, 1, -1, 0],
  );
  const missing = candlesOf([1, NaN], [2, 1]);
  assert.deepEqual([...findDirections(floats(0, 1), missing)], [1, 0]);
});

test("a candle that closes where it opens has the direction since the close before", () => {
  const candles = candlesOf([2, 3, 2, 2, 5], [2, 2, 2, 3, 5]);
  assert.deepEqual([...findDirections(candles.x, candles)], [1, -1, -1, 1, 1]);
});

test("the colours are those of the candles; the grey of the legend is in the middle", () => {
  const figure = volumeOf(GIVEN);
  color(figure);
  const { color: directions, ...look } = figure.volume.trace.marker;
  assert.deepEqual([...directions], [1, -1, 0]);
  const colorscale = [
    [0, "red"],
    [0.5, "rgb(128,128,128)"],
    [1, "green"],
  ];
  assert.deepEqual(look, { colorscale, cmin: -1, cmax: 1, opacity: 0.6 });
  assert.ok(isColored(figure.volume.trace));
});

test("volume keeps the user's opacity", () => {
  const figure = volumeOf({ ...GIVEN, opacity: 0.3 });
  color(figure);
  assert.equal(figure.volume.trace.marker.opacity, 0.3);
});

test("volume with a colour of the user's, or beside no candles, has that colour", () => {
  const figure = volumeOf({ color: "blue" });
  color(figure);
  assert.deepEqual(figure.volume.trace.marker, { color: "blue" });
  const apart = volumeOf(GIVEN);
  apart.streams[0].x = "x2";
  color(apart);
  assert.deepEqual(apart.volume.trace.marker, GIVEN);
});

test("a colour that the user sets later replaces all that the colours of candles need", () => {
  const figure = volumeOf(GIVEN);
  color(figure);
  figure.data[1].marker = { color: "blue" };
  color(figure);
  assert.deepEqual(figure.volume.trace.marker, { color: "blue" });
  assert.ok(!isColored(figure.volume.trace));
});
