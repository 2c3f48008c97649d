/** The sparkline: prices as a line in a box of 100 by 30. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { drawSparkline, makeSparklinePoints } from "../../../tickerkit/server/page/sparkline.js";
import { FakeElement } from "../../helpers/elements.mjs";
import { Seeded } from "../../helpers/seeded.mjs";

test("the highest price is at the top, the newest at the right", () => {
  assert.deepEqual(makeSparklinePoints([1, 3, 2]), ["0.0,27.0", "50.0,3.0", "100.0,15.0"]);
});

test("a price that never moved is a line through the middle", () => {
  assert.deepEqual(makeSparklinePoints([5, 5]), ["0.0,15.0", "100.0,15.0"]);
});

test("a single price is at the right edge", () => {
  assert.deepEqual(makeSparklinePoints([5]), ["100.0,15.0"]);
});

test("all points are inside of the box, whatever the prices", () => {
  const random = new Seeded(3);
  for (let time = 0; time < 100; time++) {
    const prices = Array.from({ length: random.integer(1, 120) }, () => random.normal(1e6));
    for (const point of makeSparklinePoints(prices)) {
      const [x, y] = point.split(",").map(Number);
      assert.ok(x >= 0 && x <= 100 && y >= 3 && y <= 27, point);
    }
  }
});

test("a line, the area below it, and a dot at its end are drawn", () => {
  const paths = [new FakeElement(), new FakeElement(), new FakeElement()];
  drawSparkline(new FakeElement({}, paths), [1, 2]);
  assert.deepEqual(
    paths.map((path) => path.getAttribute("d")),
    ["M0.0,27.0L100.0,3.0V30H0Z", "M0.0,27.0L100.0,3.0", "M100.0,3.0h0"],
  );
});

test("a single price is a dot without an area", () => {
  const paths = [new FakeElement(), new FakeElement(), new FakeElement()];
  drawSparkline(new FakeElement({}, paths), [1]);
  assert.deepEqual([paths[0].getAttribute("d"), paths[2].getAttribute("d")], ["", "M100.0,15.0h0"]);
});
