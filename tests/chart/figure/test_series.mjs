/** The points of a trace, compared with answers that look at every point. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { Series } from "../../../tickerkit/chart/figure/series.js";
import { array, cents, cumulate, extentOf, linspace, Seeded } from "../../helpers/seeded.mjs";

const CANDLE = ["open", "high", "low", "close"];
const FAR = 4_000_000_030; // a position beyond 32 bits

/** Return a series of one column y. */
function seriesOf(x, y, start = 0) {
  const series = new Series(["y"]);
  series.write(start, { x, y });
  return series;
}

/** Check that columns of numbers are equal, with NaN equal to NaN. */
function assertSame(found, expected) {
  assert.deepEqual([...found], [...expected]);
}

/** Check that numbers are equal but for the rounding of sums. */
function assertClose(found, expected, tolerance = 1e-9) {
  assert.equal(found.length, expected.length);
  for (const [i, value] of expected.entries()) {
    if (Number.isNaN(value)) assert.ok(Number.isNaN(found[i]));
    else assert.ok(Math.abs(found[i] - value) <= tolerance * (1 + Math.abs(value)));
  }
}

// ---- the same answers, by looking at every point

/** Return the smallest range with all points of left <= x <= right, or null. */
function between(x, left, right) {
  const isInside = (value) => value >= left && value <= right;
  const first = x.findIndex(isInside);
  return first < 0 ? null : [first, x.findLastIndex(isInside) + 1];
}

/** Return the column of pixels of an x: the last whose border is not to the right of it. */
function columnOf(edges, x) {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return Math.min(low - 1, edges.length - 2);
}

/** Return the indices of the points that are the line, where x ascends. */
function m4(x, y, edges) {
  const [start, end] = between(x, edges[0], edges.at(-1));
  if (end - start <= 4 * (edges.length - 1)) {
    const [first, stop] = [Math.max(start - 1, 0), Math.min(end + 1, x.length)];
    return Array.from({ length: stop - first }, (_, i) => first + i);
  }
  const groups = [];
  let before;
  for (let i = start; i < end; i++) {
    const key = Number.isNaN(y[i]) ? "gap" : columnOf(edges, x[i]);
    if (key !== before) groups.push([]);
    groups.at(-1).push(i);
    before = key;
  }
  const picked = new Set([Math.max(start - 1, 0), Math.min(end, x.length - 1)]);
  for (const group of groups) {
    picked.add(group[0]);
    if (Number.isNaN(y[group[0]])) continue;
    picked.add(group.reduce((best, i) => (y[i] < y[best] ? i : best)));
    picked.add(group.reduce((best, i) => (y[i] > y[best] ? i : best)));
    picked.add(group.at(-1));
  }
  return [...picked].sort((a, b) => a - b);
}

/** Return bars of `group` points in [start, end), of columns whose first position is `first`. */
function grouped(columns, first, [start, end, group], how) {
  const stop = first + columns.x.length;
  const result = Object.fromEntries(Object.keys(columns).map((name) => [name, []]));
  for (let number = Math.floor(start / group); number < Math.ceil(end / group); number++) {
    const from = Math.max(number * group, first) - first;
    const to = Math.min((number + 1) * group, stop) - first;
    for (const [name, values] of Object.entries(columns)) {
      const some = [...values.slice(from, to)].filter((value) => !Number.isNaN(value));
      result[name].push(some.length ? summarize(some, name, how) : NaN);
    }
  }
  return result;
}

function summarize(values, name, how) {
  if (name === "x" || name === "open") return values[0];
  if (name === "close") return values.at(-1);
  if (name === "high") return Math.max(...values);
  if (name === "low") return Math.min(...values);
  if (how === "sum") return values.reduce((sum, value) => sum + value, 0);
  return values.reduce((peak, value) => (Math.abs(value) > Math.abs(peak) ? value : peak));
}

/** Return x that ascends and y that wanders; with equal x, NaN and late ticks as asked. */
function walk(seed, count, { twins = 0, gaps = 0, late = 0 } = {}) {
  const random = new Seeded(seed);
  const step = () => (random.random() < twins ? 0 : cents(random.exponential()) + 0.01);
  const x = cumulate(array(count, step)).map((value) => 1.7e12 + value);
  const y = cumulate(array(count, () => random.normal())).map(cents);
  for (let i = 0; i < count; i++) {
    if (random.random() < gaps) y[i] = NaN;
    if (random.random() < late) x[i] -= random.exponential(5);
  }
  const third = Math.floor(count / 3);
  if (gaps) y.fill(NaN, third, third + 200);
  return { x, y };
}

/** Give the edges of random views: wide, narrow, beyond the data, linear and not. */
function* views(seed, x, count) {
  const random = new Seeded(seed);
  const [low, high] = extentOf(x);
  for (let view = 0; view < count; view++) {
    const width = (high - low) * 10 ** random.uniform(-3, 0.3);
    const left = random.uniform(low - width / 2, high - width / 2);
    const power = random.choice([1, 1, 2.5]);
    const n = random.integer(1, 200);
    let edges = linspace(0, 1, n + 1).map((share) => share ** power * width + left);
    if (random.random() < 0.3) {
      const atPoints = Array.from({ length: 3 }, () => random.choice(x));
      edges = Float64Array.from([...edges, ...atPoints]).sort();
    }
    yield edges;
  }
}

// ---- a few points

test("an empty series answers with nothing", () => {
  for (const names of [["y"], CANDLE]) {
    const series = new Series(names);
    assert.equal(series.length, 0);
    assert.deepEqual([series.last(), series.at(0), series.xExtent()], [null, null, null]);
    assert.equal(series.extent(0, 9), null);
    assert.deepEqual(series.between(0, 1), [0, 0]);
    const line = series.line(linspace(0, 1, 5));
    const { group, columns } = series.bars(0, 9, 4, "sum");
    assert.equal(group, 1);
    for (const drawn of [line, columns, series.thin(9)]) {
      for (const values of Object.values(drawn)) assert.equal(values.length, 0);
    }
  }
});

test("one point is the first, the last and the extent, and the line has it once", () => {
  const series = seriesOf([5], [2], 7);
  assert.deepEqual([series.first, series.next, series.length], [7, 8, 1]);
  assert.deepEqual(
    [series.at(7), series.last()],
    [
      { x: 5, y: 2 },
      { x: 5, y: 2 },
    ],
  );
  assert.deepEqual([series.at(6), series.at(8)], [null, null]);
  assert.deepEqual(
    [series.xExtent(), series.extent(0, 99)],
    [
      [5, 5],
      [2, 2],
    ],
  );
  assert.deepEqual(series.between(5, 5), [7, 8]);
  for (const edges of [
    [5, 5],
    [0, 5],
    [5, 6],
    [0, 9],
  ]) {
    const { x, y } = series.line(Float64Array.from(edges));
    assert.deepEqual([[...x], [...y]], [[5], [2]]);
  }
  const { x, y } = series.thin(100);
  assert.deepEqual([[...x], [...y]], [[5], [2]]);
});

test("a view between two points has the line that crosses it", () => {
  const series = seriesOf([1, 2, 8, 9], [1, 2, 3, 4]);
  assert.deepEqual(series.between(4, 5), [2, 2]);
  const xs = (...edges) => [...series.line(Float64Array.from(edges)).x];
  assert.deepEqual(xs(4, 4.5, 5), [2, 8]);
  assert.deepEqual(xs(20, 30), [9]);
  assert.deepEqual(xs(-9, 0), [1]);
});

test("a write replaces the points from its start on, and may come twice", () => {
  const series = seriesOf([1, 2, 3], [1, 2, 3], 10);
  for (let time = 0; time < 2; time++) {
    series.write(12, { x: [3, 4], y: [9, 4] });
    assert.deepEqual([series.first, series.next], [10, 14]);
    assertSame(series.line(Float64Array.of(0, 9)).y, [1, 2, 9, 4]);
  }
  series.write(11, { x: [], y: [] });
  assert.equal(series.next, 11);
  assert.deepEqual(series.extent(0, 99), [1, 1]);
});

test("a write that replaces points changes the version", () => {
  const series = seriesOf([1, 2], [1, 2]);
  series.write(2, { x: [3], y: [3] });
  assert.equal(series.version, 0);
  series.write(2, { x: [3], y: [4] });
  assert.equal(series.version, 1);
});

test("a write that leaves a hole, or has unequal columns, is refused and changes nothing", () => {
  const series = seriesOf([1, 2], [1, 2], 10);
  const one = Float64Array.of(1);
  const two = Float64Array.of(1, 1);
  const refused = [
    [13, { x: one, y: one }],
    [9, { x: one, y: one }],
    [12, { x: two, y: one }],
    [12, { x: two }],
  ];
  for (const [start, columns] of refused) {
    assert.throws(() => series.write(start, columns), RangeError);
  }
  assert.deepEqual([series.first, series.next], [10, 12]);
});

test("a trim drops old points, never goes back, and never beyond the newest", () => {
  const numbers = array(100, (i) => i);
  const series = seriesOf(numbers, numbers);
  series.trim(70);
  series.trim(20);
  assert.deepEqual([series.first, series.next, series.at(69)], [70, 100, null]);
  assert.deepEqual(
    [series.xExtent(), series.extent(0, 200)],
    [
      [70, 99],
      [70, 99],
    ],
  );
  series.trim(1000);
  assert.deepEqual([series.first, series.next, series.length], [100, 100, 0]);
  series.write(100, { x: [5], y: [6] });
  assert.deepEqual(series.extent(0, 200), [6, 6]);
});

test("a reset drops all points and begins another epoch", () => {
  const numbers = array(1000, (i) => i);
  const series = seriesOf(numbers, numbers);
  series.reset(2, FAR);
  assert.deepEqual([series.epoch, series.first, series.length], [2, FAR, 0]);
  const later = array(300, (i) => i + 5);
  series.write(FAR, { x: later, y: later });
  assert.deepEqual(series.extent(0, 5e9), [5, 304]);
  assert.deepEqual(series.between(0, 6), [FAR, FAR + 2]);
});

test("NaN and infinite values are in no extent, and break the line", () => {
  const x = array(300, (i) => i);
  const y = array(300, (i) => [1, Infinity, 3, -Infinity, NaN, 2][i % 6]);
  const series = seriesOf(x, y);
  assert.deepEqual(series.extent(0, 300), [1, 3]);
  const line = [...series.line(Float64Array.of(-1, 400)).y];
  assert.equal(line.filter((value) => Math.abs(value) === Infinity).length, 0);
  assert.equal(line.filter(Number.isNaN).length, 100);
  series.write(0, { x, y: x.map(() => NaN) });
  assert.equal(series.extent(0, 300), null);
  assert.ok(series.line(Float64Array.of(-1, 150, 400)).y.every(Number.isNaN));
  series.write(0, { x: x.map(() => NaN), y: x });
  assert.equal(series.xExtent(), null);
  assert.deepEqual(series.between(0, 1), [300, 300]);
  assert.ok(series.thin(10).x.length <= 1);
});

// ---- lines

for (const [twins, gaps] of [
  [0, 0],
  [0.9, 0],
  [0, 0.01],
  [0.6, 0.2],
]) {
  test(`a line is the M4 of all points with ${twins} equal x and ${gaps} NaN`, () => {
    const { x, y } = walk(1, 20_000, { twins, gaps });
    const series = seriesOf(x, y, 37);
    let seen = 0;
    for (const edges of views(2, x, 60)) {
      const found = series.line(edges);
      const inside = between(x, edges[0], edges.at(-1));
      if (!inside) continue;
      let expected = m4(x, y, edges).map((i) => [x[i], y[i]]);
      let drawn = [...found.x].map((value, i) => [value, found.y[i]]);
      if (gaps && inside[1] - inside[0] > 4 * (edges.length - 1)) {
        // Of several NaN in a row, where one is just beyond the view, one is enough too.
        [expected, drawn] = [expected, drawn].map((points) =>
          points.filter(([, value], i) => !(i && isGap(value) && isGap(points[i - 1][1]))),
        );
      }
      assert.deepEqual(drawn, expected);
      seen++;
    }
    assert.ok(seen > 40);
  });
}

const isGap = Number.isNaN;

test("a line of late points keeps their order and the extremes, and stays short", () => {
  const { x, y: steps } = walk(3, 20_000, { twins: 0.3, late: 0.2 });
  const y = steps.map((value, i) => value + (i * 1e-6) / steps.length); // tells the points apart
  const series = seriesOf(x, y);
  const indices = new Map([...y].map((value, i) => [value, i]));
  for (const edges of views(4, x, 60)) {
    const [left, right] = [edges[0], edges.at(-1)];
    const inside = between(x, left, right);
    if (!inside) continue;
    assert.deepEqual(series.between(left, right), inside);
    const line = series.line(edges);
    const drawn = [...line.y].map((value) => indices.get(value));
    assert.deepEqual(
      drawn,
      [...new Set(drawn)].sort((a, b) => a - b),
    );
    assertSame(
      line.x,
      drawn.map((i) => x[i]),
    );
    const visible = y.filter((_, i) => x[i] >= left && x[i] <= right);
    for (const extreme of extentOf(visible)) assert.ok(line.y.includes(extreme));
    assert.ok(drawn.length <= 4 * (edges.length - 1) + 2);
    assert.equal(drawn[0], Math.max(inside[0] - 1, 0));
    assert.equal(drawn.at(-1), Math.min(inside[1], x.length - 1));
  }
});

for (const late of [1, 64]) {
  test(`${late} late points from beyond the view do not hide the visible extremes`, () => {
    const { x, y } = walk(9, 4096);
    x.fill(x[0], 2048, 2048 + late);
    y.fill(-1e6, 2048, 2048 + late);
    const edges = linspace(x[640], x[4000], 4);
    const line = seriesOf(x, y).line(edges);
    const visible = y.filter((_, i) => x[i] >= edges[0] && x[i] <= edges[3]);
    for (const extreme of extentOf(visible)) assert.ok(line.y.includes(extreme));
    assert.ok(!line.y.includes(-1e6));
  });
}

test("a late point after a gap does not hide the visible extremes either", () => {
  const { x, y } = walk(10, 4096);
  [y[2047], x[2048], y[2048]] = [NaN, x[0], -1e6];
  const edges = linspace(x[640], x[4000], 4);
  assert.ok(!seriesOf(x, y).line(edges).y.includes(-1e6));
});

test("one point with a far later x does not spoil the line after it", () => {
  const { x, y } = walk(5, 20_000);
  const wrong = x.slice();
  wrong[5000] = (x.at(-1) - x[0]) * 0.9 + x[0];
  const edges = linspace(x[0], x.at(-1), 101);
  const line = seriesOf(wrong, y).line(edges);
  const columns = new Set([...line.x].map((value) => columnOf(edges, value)));
  assert.ok(columns.size > 97); // nearly all of 100
  for (const extreme of extentOf(y)) assert.ok(line.y.includes(extreme));
});

// ---- streams

for (let seed = 0; seed < 8; seed++) {
  test(`streamed, rewritten and trimmed points answer as those held (seed ${seed})`, () => {
    stream(new Seeded(seed), seed % 2 ? CANDLE : ["y"]);
  });
}

function stream(random, names) {
  const series = new Series(names);
  let first = random.integer(0, 10_000);
  let next = first;
  let clock = 1.7e12;
  let model = Object.fromEntries(["x", ...names].map((name) => [name, []]));
  for (let step = 0; step < 250; step++) {
    const back = next - first >= 70 ? random.choice([0, 1, 1, 3, 70]) : 0;
    const start = next - back;
    const count = back + random.choice([0, 1, 5, 64, 700]);
    const steps = cumulate(array(count, () => random.integer(0, 3)));
    const piece = { x: steps.map((value) => clock + value - random.integer(0, 5)) };
    clock = Math.max(clock, ...piece.x);
    for (const name of names) {
      piece[name] = array(count, () => (random.random() < 0.02 ? NaN : random.normal(9)));
    }
    for (let time = 0; time < 1 + (step % 5 === 0); time++) series.write(start, piece);
    model = mapColumns(model, (name, values) => [
      ...values.slice(0, start - first),
      ...piece[name],
    ]);
    next = start + count;
    if (random.random() < 0.5) {
      const keep = random.choice([0, 100, 3000, 3000]);
      series.trim(next - keep);
      const gone = Math.max(next - keep - first, 0);
      first += gone;
      model = mapColumns(model, (_, values) => values.slice(gone));
    }
    checkAnswers(random, series, model, first, clock);
  }
}

const mapColumns = (columns, map) =>
  Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, map(name, values)]));

/** Check a series against a model of what it holds. */
function checkAnswers(random, series, model, first, clock) {
  const next = first + model.x.length;
  assert.deepEqual([series.first, series.next], [first, next]);
  assert.deepEqual(series.xExtent(), extentOf(model.x));
  const [left, right] = pair(random, clock - 2000, clock + 10).map(Math.round);
  const range = between(model.x, left, right);
  const found = series.between(left, right);
  if (range) assert.deepEqual(found, [range[0] + first, range[1] + first]);
  else assert.equal(found[0], found[1]);
  const [a, b] = pair(random, first - 5, next + 6).map(Math.floor);
  const [low, high] = [Math.max(a - first, 0), Math.max(b - first, 0)];
  const held = series.names.map((name) => model[name].slice(low, high));
  assert.deepEqual(series.extent(a, b), extentOf(...held));
  const last = mapColumns(model, (_, values) => values.at(-1));
  assert.deepEqual(series.last(), next > first ? last : null);
  const [start, end] = [a, b].map((each) => Math.min(Math.max(each, first), next));
  const { group, columns } = series.bars(a, b, 20, "sum");
  if (start >= end) return;
  assert.ok(columns.x.length <= 20);
  const expected = grouped(model, first, [start, end, group], "sum");
  for (const [name, values] of Object.entries(columns)) assertClose(values, expected[name]);
}

const pair = (random, low, high) =>
  [random.uniform(low, high), random.uniform(low, high)].sort((a, b) => a - b);

// ---- bars

for (const how of ["sum", "peak"]) {
  test(`bars are grouped by position, the fewest that will do (${how})`, () => {
    const random = new Seeded(6);
    for (const names of [["y"], CANDLE]) {
      const columns = { x: array(3000, (i) => i) };
      for (const name of names) {
        columns[name] = array(3000, () => (random.random() < 0.1 ? NaN : random.normal(5)));
        columns[name].fill(NaN, 512, 640);
      }
      const series = new Series(names);
      series.write(1001, columns);
      for (const [start, end, max, group] of [
        [1001, 4001, 3000, 1],
        [1001, 4001, 2999, 2],
        [1001, 4001, 100, 32],
        [1500, 1600, 30, 4],
        [1001, 4001, 12, 512],
        [1001, 4001, 1, 4096],
        [2000, 2007, 0, 8],
      ]) {
        const bars = series.bars(start, end, max, how);
        assert.equal(bars.group, group);
        const expected = grouped(columns, 1001, [start, end, group], how);
        for (const name of ["x", ...names]) assertClose(bars.columns[name], expected[name], 1e-12);
      }
    }
  });
}

test("a bar does not change as the window slides", () => {
  const random = new Seeded(7);
  const columns = { x: array(5000, (i) => i) };
  for (const name of CANDLE) columns[name] = array(5000, () => random.normal());
  const series = new Series(CANDLE);
  series.write(0, columns);
  const before = new Map();
  for (let start = 1000; start < 1100; start += 7) {
    const bars = series.bars(start, start + 2000, 300, "peak");
    assert.equal(bars.group, 8);
    for (const [i, x] of bars.columns.x.entries()) {
      const bar = CANDLE.map((name) => bars.columns[name][i]);
      assert.deepEqual(bar, before.get(x) ?? bar);
      before.set(x, bar);
    }
  }
});

test("a thin copy has about as many points as asked for, and the extremes of all", () => {
  const { x, y } = walk(8, 50_000, { twins: 0.5 });
  const line = new Series(["price"]);
  line.write(0, { x, price: y });
  const thin = line.thin(1000);
  assert.deepEqual(Object.keys(thin), ["x", "price"]);
  assert.ok(thin.x.length > 500 && thin.x.length <= 1002);
  assert.deepEqual([thin.x[0], thin.x.at(-1)], [x[0], x.at(-1)]);
  assert.deepEqual(extentOf(thin.price), extentOf(y));
  const candles = new Series(CANDLE);
  const [high, low] = [y.map((value) => value + 1), y.map((value) => value - 1)];
  candles.write(0, { x, open: y, high, low, close: y });
  const bars = candles.thin(1000);
  assert.deepEqual(Object.keys(bars), ["x", ...CANDLE]);
  assert.ok(bars.x.length > 250 && bars.x.length <= 1000);
  assert.equal(extentOf(bars.low)[0], extentOf(low)[0]);
  assert.equal(extentOf(bars.high)[1], extentOf(high)[1]);
});

// ---- cost

/** Stream points in rounds; return the largest capacity. */
function streamRounds(series, rounds, size, keep) {
  let most = 0;
  for (let round = 0; round < rounds; round++) {
    const x = array(size, (i) => series.next + i);
    series.write(series.next, { x, y: x });
    series.trim(series.next - keep);
    most = Math.max(most, series.capacity);
  }
  return most;
}

test("memory is bounded by the points held, however long points are streamed", () => {
  const series = new Series(["y"]);
  assert.ok(streamRounds(series, 40_000, 25, 20_000) <= 2.25 * 20_100 + 5000);
  assert.equal(series.length, 20_000);
  streamRounds(series, 100, 25, 100);
  assert.deepEqual([series.length, series.xExtent()[0]], [100, series.first]);
  assert.ok(series.capacity <= 6000);
  assert.ok(streamRounds(series, 3, 500_000, 500_000) <= 2.25 * 1_000_000 + 5000);
  series.reset(2, 5);
  assert.ok(series.capacity <= 6000);
});

test("a line and an extent of a million points take a small part of a frame's 16 ms", () => {
  const random = new Seeded(0);
  const x = array(1e6, (i) => 1.7e12 + i * 3);
  const series = seriesOf(
    x,
    x.map((value) => Math.sin(value / 1e5) + random.random()),
  );
  const edges = linspace(x[0], x.at(-1), 851);
  const fastest = (work) => {
    let least = Infinity;
    for (let time = 0; time < 40; time++) {
      const start = performance.now();
      work();
      least = Math.min(least, performance.now() - start);
    }
    return least;
  };
  assert.ok(fastest(() => series.line(edges)) < 8); // about 1; every point alone would take longer
  assert.ok(fastest(() => series.extent(0, 1e6)) < 2);
});

const folder =
  process.env.TICKERKIT_DATA ?? new URL("../../../../shared/data", import.meta.url).pathname;
const DAY = `${folder}/ticks/lean-spy-20131007-trade.csv.gz`;

test("each column of a recorded day has the lowest and highest of its trades", {
  skip: !existsSync(DAY) && "no recorded market data: set TICKERKIT_DATA to its folder",
}, () => {
  const rows = gunzipSync(readFileSync(DAY)).toString().trim().split("\n");
  const day = rows.map((row) => row.split(",", 2).map(Number));
  const x = Float64Array.from(day, ([time]) => time);
  const y = Float64Array.from(day, ([, price]) => price / 10_000);
  const series = new Series(["y"]);
  for (let start = 0; start < x.length; start += 10_007) {
    const stop = start + 10_007;
    series.write(start, { x: x.subarray(start, stop), y: y.subarray(start, stop) });
  }
  const width = x.at(-1) - x[0];
  for (const [left, right] of [
    [0, 1],
    [0.4, 0.6],
    [0.5, 0.51],
  ]) {
    const edges = linspace(x[0] + left * width, x[0] + right * width, 301);
    const trades = summaries(x, y, edges);
    const line = series.line(edges);
    assert.ok(x.filter((value) => value >= edges[0] && value <= edges[300]).length > 1200);
    assert.deepEqual(summaries(line.x, line.y, edges), trades);
  }
});

/** Return the first, lowest, highest and last y of each column of pixels with points. */
function summaries(x, y, edges) {
  const columns = new Map();
  for (const [i, value] of x.entries()) {
    if (value < edges[0] || value > edges.at(-1)) continue;
    const column = columnOf(edges, value);
    const [first, low, high] = columns.get(column) ?? [y[i], y[i], y[i]];
    columns.set(column, [first, Math.min(low, y[i]), Math.max(high, y[i]), y[i]]);
  }
  return columns;
}

test("the outline of a dense line has each column's extremes, next to their places", () => {
  const random = new Seeded(21);
  const count = 40_000;
  const x = linspace(0, count - 1, count);
  const y = cumulate(array(count, () => random.uniform(-1, 1)));
  const series = seriesOf(x, y, FAR);
  series.trim(FAR + 100);
  const edges = linspace(90, count - 500, 61);
  const { x: across, y: up } = series.outline(edges);
  assert.ok(across.every((each, i) => i === 0 || each >= across[i - 1]));
  for (const [i, each] of across.entries()) {
    assert.ok(y.subarray(each, each + 64).includes(up[i]), "in its block");
  }
  for (let column = 0; column < 60; column++) {
    const isIn = (at) => at >= edges[column] + 64 && at < edges[column + 1] - 64;
    const inside = Array.from(y).filter((_, at) => at >= 100 && isIn(at));
    const near = Array.from(up).filter(
      (_, i) => across[i] >= edges[column] - 64 && across[i] < edges[column + 1] + 64,
    );
    assert.ok(Math.min(...near) <= Math.min(...inside));
    assert.ok(Math.max(...near) >= Math.max(...inside));
  }
});

test("there is no outline of a line that is not dense, has gaps, or steps back", () => {
  const count = 4096;
  const x = linspace(0, count - 1, count);
  const y = new Float64Array(count);
  assert.ok(seriesOf(x, y).outline(linspace(0, count, 5)));
  assert.equal(seriesOf(x, y).outline(linspace(0, count, 60)), null);
  assert.equal(seriesOf(x, y.with(2000, NaN)).outline(linspace(0, count, 5)), null);
  assert.equal(seriesOf(x.with(2000, 50), y).outline(linspace(0, count, 5)), null);
});

test("the outline has every point around a pause; there is none of a line with many", () => {
  const count = 20_000;
  const y = array(count, (i) => i % 2);
  const pausedAt = (every) => array(count, (i) => i + 5000 * Math.floor((i + 30) / every));
  const once = pausedAt(10_000);
  const { x: across, y: up } = seriesOf(once, y).outline(linspace(0, once.at(-1), 21));
  const start = across.indexOf(once[9970 - 1]);
  assertSame(across.slice(start, start + 2), once.slice(9969, 9971));
  assertSame(up.slice(start, start + 2), y.slice(9969, 9971));
  const often = pausedAt(300);
  assert.equal(seriesOf(often, y).outline(linspace(0, often.at(-1), 21)), null);
});

test("of a curve in the plane or a cloud, all points are drawn, or an even sample", () => {
  const angles = linspace(0, 20, 5000);
  const [x, y] = [angles.map((a) => a * Math.cos(a)), angles.map((a) => a * Math.sin(a))];
  const series = seriesOf(x, y);
  const edges = Float64Array.from({ length: 101 }, (_, i) => -20 + i * 0.4);
  assertSame(series.line(edges).y, y);
  assert.equal(series.outline(edges), null);
  const many = array(100_000, (i) => Math.sin(i));
  const { length } = seriesOf(many, many).line(edges).x;
  assert.ok(length > 10_000 && length <= 20_000);
});
