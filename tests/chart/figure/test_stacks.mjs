/** Plotly adds up thinned areas as it does whole ones. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { joinStacks } from "../../../tickerkit/chart/figure/stacks.js";
import { plotOf, streamOf } from "../../helpers/plots.mjs";
import { array } from "../../helpers/seeded.mjs";

/** Return how Plotly fills the gaps of areas that have this many points each. */
function gapsOf(count, more = {}) {
  const data = ["a", "b"].map((uid) => ({ uid, type: "scatter", stackgroup: "1", ...more }));
  const figure = plotOf({ data: structuredClone(data) });
  const columns = { x: array(count, (i) => i), y: array(count, (i) => (i * 37) % 11) };
  const streams = data.map((_, i) => streamOf(figure, i, columns));
  const place = { range: [0, count] };
  const thinned = streams.filter((stream) => figure.points.fill(stream, place, false));
  joinStacks(streams, thinned.length > 0, data);
  return streams.map(({ trace }) => trace.stackgaps);
}

test("at the x of other areas, a thinned area has the values between its points, not zero", () => {
  assert.deepEqual(gapsOf(100_000), ["interpolate", "interpolate"]);
});

test("areas that have all their points keep the user's choice", () => {
  assert.deepEqual(gapsOf(100), [undefined, undefined]);
  assert.deepEqual(gapsOf(100, { stackgaps: "infer zero" }), ["infer zero", "infer zero"]);
});

test("areas that are not stacked are left as they are", () => {
  assert.deepEqual(gapsOf(100_000, { stackgroup: "" }), [undefined, undefined]);
});
