"""The window of points that a chart's page holds, compared with plain Python in a real browser."""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

import tickerkit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Error, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

Floats: TypeAlias = NDArray[np.float64]

MODULE = Path(tickerkit.__file__).parent / "chart" / "figure" / "series.js"
CANDLE = ["open", "high", "low", "close"]

# Arrays travel as base64: a list of a million numbers would take Playwright minutes.
LOAD = """async text => {
  const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
  window.Series = (await import(url)).Series;
  window.unpack = value => {
    if (Array.isArray(value)) return value.map(unpack);
    if (value === null || typeof value !== "object") return value;
    if ("f64" in value) {
      const bytes = Uint8Array.from(atob(value.f64), letter => letter.charCodeAt(0));
      return new Float64Array(bytes.buffer);
    }
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unpack(each)]));
  };
  window.pack = value => {
    if (value instanceof Float64Array) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      let text = "";
      for (let i = 0; i < bytes.length; i += 4096)
        text += String.fromCharCode(...bytes.subarray(i, i + 4096));
      return {f64: btoa(text)};
    }
    if (Array.isArray(value)) return value.map(pack);
    if (value === null || typeof value !== "object") return value ?? null;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, pack(each)]));
  };
}"""
CALL = """([names, calls]) => {
  if (names) window.series = new Series(names);
  return calls.map(([name, ...given]) => {
    const member = series[name];
    return pack(typeof member === "function" ? series[name](...unpack(given)) : member);
  });
}"""


class Held:
    """A series in the page; its methods and properties are asked for by name."""

    def __init__(self, page: Page, names: list[str]) -> None:
        self._page = page
        self.names = names
        page.evaluate(CALL, [names, []])

    def __call__(self, name: str, *given: Any) -> Any:
        """Call one method, or read one property."""
        return self.all((name, *given))[0]

    def all(self, *calls: tuple[Any, ...]) -> list[Any]:
        """Make several calls in one go."""
        answers: list[Any] = _unpack(self._page.evaluate(CALL, [None, _pack(calls)]))
        return answers

    def write(self, start: int, **columns: Any) -> None:
        """Write points."""
        self("write", start, {key: np.asarray(each, float) for key, each in columns.items()})


def _pack(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"f64": base64.b64encode(value.astype("<f8").tobytes()).decode()}
    if isinstance(value, dict):
        return {key: _pack(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any) -> Any:
    if isinstance(value, dict) and "f64" in value:
        return np.frombuffer(base64.b64decode(value["f64"]), "<f8")
    if isinstance(value, dict):
        return {key: _unpack(each) for key, each in value.items()}
    return [_unpack(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """Give a blank page that has the module."""
    page = chromium.new_page()
    page.evaluate(LOAD, MODULE.read_text(encoding="utf-8"))
    yield page
    page.close()


@pytest.fixture
def series(page: Page) -> Held:
    """Give an empty series of one value column."""
    return Held(page, ["y"])


@pytest.fixture
def candles(page: Page) -> Held:
    """Give an empty series of candles."""
    return Held(page, CANDLE)


def refusal(held: Held, *call: Any) -> str:
    """Return the words with which a call is refused."""
    from playwright.sync_api import Error

    with pytest.raises(Error) as caught:
        held(*call)
    error: Error = caught.value
    return str(error)


def same(one: Any, other: Any) -> None:
    """Check that two arrays are equal, with NaN equal to NaN."""
    np.testing.assert_array_equal(np.asarray(one, float), np.asarray(other, float))


# The same answers, by looking at every point.


def between(x: Floats, left: float, right: float) -> tuple[int, int] | None:
    """Return the smallest range with all points of left <= x <= right."""
    inside = np.flatnonzero((x >= left) & (x <= right))
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def extent(*columns: Floats) -> list[float] | None:
    """Return the least and the greatest of the values that are finite."""
    values = np.concatenate(columns)
    values = values[np.isfinite(values)]
    return [float(values.min()), float(values.max())] if len(values) else None


def m4(x: Floats, y: Floats, edges: Floats) -> list[int]:
    """Return which points are the line, where x ascends."""
    inside = between(x, float(edges[0]), float(edges[-1]))
    assert inside is not None
    start, end = inside
    n = len(edges) - 1
    if end - start <= 4 * n:
        return list(range(max(start - 1, 0), min(end + 1, len(x))))
    column = np.minimum(np.searchsorted(edges, x, side="right") - 1, n - 1)
    groups: list[list[int]] = []
    before: object = None
    for i in range(start, end):
        gap = bool(np.isnan(y[i]))
        key = "gap" if gap else int(column[i])
        if key != before:
            groups.append([])
        groups[-1].append(i)
        before = key
    picked: set[int] = {max(start - 1, 0), min(end, len(x) - 1)}
    for group in groups:
        picked.add(group[0])
        if not np.isnan(y[group[0]]):
            values = y[group]
            picked |= {group[int(values.argmin())], group[int(values.argmax())], group[-1]}
    return sorted(picked)


def grouped(held: dict[str, Floats], first: int, borders: tuple[int, int, int], how: str) -> Any:
    """Return the bars of held points, of which the first has the position `first`."""
    start, end, group = borders
    ways = {"open": 0, "close": -1}
    result: dict[str, list[float]] = {name: [] for name in held}
    final = first + len(held["x"])
    for number in range(start // group, math.ceil(end / group)):
        part = slice(max(number * group, first) - first, min((number + 1) * group, final) - first)
        for name, values in held.items():
            some = values[part][~np.isnan(values[part])]
            if not len(some):
                value = math.nan
            elif name == "x":
                value = some[0]
            elif name in ways:
                value = some[ways[name]]
            elif name in ("high", "low"):
                value = some.max() if name == "high" else some.min()
            else:
                value = some.sum() if how == "sum" else some[np.abs(some).argmax()]
            result[name].append(float(value))
    return result


def walk(
    seed: int, count: int, *, twins: float = 0, gaps: float = 0, late: float = 0
) -> tuple[Floats, Floats]:
    """Return x that ascends and y that wanders; with equal x, NaN and late ticks as asked."""
    random = np.random.default_rng(seed)
    step = random.exponential(1, count).round(2) + 0.01
    step[random.random(count) < twins] = 0
    x = 1.7e12 + np.cumsum(step)
    y = np.cumsum(random.normal(0, 1, count)).round(2)
    y[random.random(count) < gaps] = np.nan
    if gaps:
        y[count // 3 : count // 3 + 200] = np.nan
    some = random.random(count) < late
    x[some] -= random.exponential(5, int(some.sum()))
    return x, y


def views(seed: int, x: Floats, count: int) -> Iterator[Floats]:
    """Give the edges of random views: wide, narrow, beyond the data, linear and not."""
    random = np.random.default_rng(seed)
    low, high = float(x.min()), float(x.max())
    for _ in range(count):
        width = (high - low) * 10 ** random.uniform(-3, 0.3)
        left = random.uniform(low - width / 2, high - width / 2)
        n = int(random.integers(1, 200))
        edges = np.linspace(0, 1, n + 1) ** random.choice([1.0, 1.0, 2.5]) * width + left
        if random.random() < 0.3:  # a border exactly at points
            edges = np.sort(np.concatenate([edges, random.choice(x, 3)]))
        yield edges


def test_an_empty_series_answers_with_nothing(series: Held, candles: Held) -> None:
    """A series without points has no extent, no last point, and draws nothing."""
    edges = np.linspace(0, 1, 5)
    for held in (series, candles):
        answers = held.all(("length",), ("last",), ("at", 0), ("xExtent",), ("extent", 0, 9))
        assert answers == [0, None, None, None, None]
        assert held("between", 0, 1) == [0, 0]
        assert [len(each) for each in held("line", edges).values()] == [0, 0]
        bars = held("bars", 0, 9, 4, "sum")
        assert bars.pop("group") == 1
        assert [len(each) for each in [*bars.values(), *held("thin", 9).values()]] == [0] * (
            2 * len(bars)
        )


def test_one_point_is_all_there_is(series: Held) -> None:
    """A single point is the first, the last and the extent, and the line has it once."""
    series.write(7, x=[5.0], y=[2.0])
    assert series.all(("first",), ("next",), ("length",)) == [7, 8, 1]
    point = {"x": 5, "y": 2}
    assert series.all(("at", 7), ("last",), ("at", 6), ("at", 8)) == [point, point, None, None]
    assert series.all(("xExtent",), ("extent", 0, 99)) == [[5, 5], [2, 2]]
    assert series("between", 5, 5) == [7, 8]
    for edges in ([5.0, 5.0], [0.0, 5.0], [5.0, 6.0], [0.0, 9.0]):
        line = series("line", np.array(edges))
        assert [each.tolist() for each in line.values()] == [[5], [2]]
    assert [each.tolist() for each in series("thin", 100).values()] == [[5], [2]]


def test_a_view_between_two_points_has_the_line_that_crosses_it(series: Held) -> None:
    """Where no point is visible, the two around the view are drawn."""
    series.write(0, x=[1, 2, 8, 9], y=[1, 2, 3, 4])
    assert series("between", 4, 5) == [2, 2]
    assert series("line", np.array([4.0, 4.5, 5.0]))["x"].tolist() == [2, 8]
    assert series("line", np.array([20.0, 30.0]))["x"].tolist() == [9]
    assert series("line", np.array([-9.0, 0.0]))["x"].tolist() == [1]


def test_writing_replaces_what_was_held_from_there_on(series: Held) -> None:
    """The newest points may be written again, and the same message twice changes nothing."""
    series.write(10, x=[1, 2, 3], y=[1, 2, 3])
    for _ in range(2):
        series.write(12, x=[3, 4], y=[9, 4])
        assert series.all(("first",), ("next",)) == [10, 14]
        assert series("line", np.array([0.0, 9.0]))["y"].tolist() == [1, 2, 9, 4]
    series.write(11, x=[], y=[])
    assert series.all(("next",), ("extent", 0, 99)) == [11, [1, 1]]


def test_a_hole_and_columns_of_unequal_length_are_refused(series: Held) -> None:
    """What would put points at wrong positions is refused, and nothing has changed."""
    series.write(10, x=[1, 2], y=[1, 2])
    one = {"x": np.ones(1), "y": np.ones(1)}
    assert "RangeError" in refusal(series, "write", 13, one)
    assert "RangeError" in refusal(series, "write", 9, one)
    assert "RangeError" in refusal(series, "write", 12, {"x": np.ones(2), "y": np.ones(1)})
    assert "RangeError" in refusal(series, "write", 12, {"x": np.ones(2)})
    assert series.all(("first",), ("next",)) == [10, 12]


def test_trimming_lets_go_of_old_points_only(series: Held) -> None:
    """Trimming never goes back, and never beyond the newest."""
    series.write(0, x=np.arange(100), y=np.arange(100))
    series.all(("trim", 70), ("trim", 20))
    assert series.all(("first",), ("next",), ("at", 69)) == [70, 100, None]
    assert series.all(("xExtent",), ("extent", 0, 200)) == [[70, 99], [70, 99]]
    series("trim", 1000)
    assert series.all(("first",), ("next",), ("length",)) == [100, 100, 0]
    series.write(100, x=[5], y=[6])
    assert series("extent", 0, 200) == [6, 6]


def test_a_reset_begins_another_epoch(series: Held) -> None:
    """After a reset nothing is held, and old points cannot show up again."""
    series.write(0, x=np.arange(1000), y=np.arange(1000))
    series("reset", "another", 4_000_000_030)
    assert series.all(("epoch",), ("first",), ("length",)) == ["another", 4_000_000_030, 0]
    series.write(4_000_000_030, x=np.arange(300) + 5, y=np.arange(300) + 5)
    assert series("extent", 0, 5e9) == [5, 304]
    assert series("between", 0, 6) == [4_000_000_030, 4_000_000_032]


def test_values_that_are_no_numbers_are_gaps(series: Held) -> None:
    """NaN and infinite values are in no extent, and the line breaks at them."""
    y = np.array([1, np.inf, 3, -np.inf, np.nan, 2] * 50)
    x = np.arange(300.0)
    series.write(0, x=x, y=y)
    assert series("extent", 0, 300) == [1, 3]
    line = series("line", np.array([-1.0, 400.0]))
    assert not np.isinf(line["y"]).any()
    assert np.isnan(line["y"]).sum() == 100
    series.write(0, x=x, y=np.full(300, np.nan))
    assert series("extent", 0, 300) is None
    assert np.isnan(series("line", np.array([-1.0, 150.0, 400.0]))["y"]).all()
    series.write(0, x=np.full(300, np.nan), y=x)
    assert series.all(("xExtent",), ("between", 0, 1)) == [None, [300, 300]]
    assert len(series("thin", 10)["x"]) <= 1


@pytest.mark.parametrize(("twins", "gaps"), [(0, 0), (0.9, 0), (0, 0.01), (0.6, 0.2)])
def test_a_line_has_the_first_lowest_highest_and_last_of_each_column(
    series: Held, twins: float, gaps: float
) -> None:
    """In any view the line is M4 of all points, of each stretch that NaN leaves whole."""
    x, y = walk(1, 20_000, twins=twins, gaps=gaps)
    series.write(37, x=x, y=y)
    seen = 0
    for edges in views(2, x, 60):
        found = series("line", edges)
        inside = between(x, float(edges[0]), float(edges[-1]))
        if inside is None:
            continue
        expected = m4(x, y, edges)
        if gaps and inside[1] - inside[0] > 4 * (len(edges) - 1):
            # Of NaN in a row, where one is just beyond the view, one is enough too.
            keep = [
                k
                for k, i in enumerate(expected)
                if not (k and np.isnan(y[i]) and np.isnan(y[expected[k - 1]]))
            ]
            expected = [expected[k] for k in keep]
            drawn = np.flatnonzero(~(np.isnan(found["y"]) & np.isnan(np.r_[0.0, found["y"][:-1]])))
            found = {key: each[drawn] for key, each in found.items()}
        same(found["x"], x[expected])
        same(found["y"], y[expected])
        seen += 1
    assert seen > 40


def test_a_line_of_late_points_keeps_the_extremes_and_stays_short(series: Held) -> None:
    """Where x steps back, what is drawn are points in order, few, with all extremes."""
    x, y = walk(3, 20_000, twins=0.3, late=0.2)
    y += np.linspace(0, 1e-6, len(y))  # tells the points apart
    series.write(0, x=x, y=y)
    where = {value: i for i, value in enumerate(y.tolist())}
    for edges in views(4, x, 60):
        inside = between(x, float(edges[0]), float(edges[-1]))
        if inside is None:
            continue
        assert series("between", edges[0], edges[-1]) == list(inside)
        line = series("line", edges)
        drawn = [where[value] for value in line["y"].tolist()]
        assert drawn == sorted(set(drawn))
        same(line["x"], x[drawn])
        visible = y[(x >= edges[0]) & (x <= edges[-1])]
        assert {visible.min(), visible.max()} <= set(line["y"].tolist())
        assert len(drawn) <= 4 * (len(edges) - 1) + 2
        assert drawn[0] == max(inside[0] - 1, 0)
        assert drawn[-1] == min(inside[1], len(x) - 1)


@pytest.mark.parametrize("late", [1, 64])
def test_late_points_from_beyond_the_view_do_not_hide_what_is_visible(
    series: Held, late: int
) -> None:
    """A point left of the view that arrived amid the visible is not their lowest."""
    x, y = walk(9, 4096)
    at = slice(2048, 2048 + late)
    x[at], y[at] = x[0], -1e6
    series.write(0, x=x, y=y)
    edges = np.linspace(float(x[640]), float(x[4000]), 4)
    visible = y[(x >= edges[0]) & (x <= edges[-1])]
    line = series("line", edges)
    assert {visible.min(), visible.max()} <= set(line["y"].tolist())
    assert -1e6 not in line["y"]


def test_one_point_from_the_future_does_not_spoil_the_line(series: Held) -> None:
    """After a point with a wrong, far later x, the columns go on where they were."""
    x, y = walk(5, 20_000)
    wrong = x.copy()
    wrong[5000] = (x[-1] - x[0]) * 0.9 + x[0]
    edges = np.linspace(float(x[0]), float(x[-1]), 101)
    series.write(0, x=wrong, y=y)
    line = series("line", edges)
    column = np.searchsorted(edges, line["x"], side="right")
    assert len(np.unique(column)) > 98
    assert {y.min(), y.max()} <= set(line["y"].tolist())


@pytest.mark.parametrize("seed", range(4))
def test_streamed_pieces_are_as_one(page: Page, seed: int) -> None:
    """However the points came, rewritten and trimmed, each answer is that of what is held."""
    random = np.random.default_rng(seed)
    names = CANDLE if seed % 2 else ["y"]
    held = Held(page, names)
    first = next_ = int(random.integers(0, 10_000))
    clock = 1.7e12
    model = {name: np.zeros(0) for name in ["x", *names]}
    for step in range(250):
        back = int(random.choice([0, 1, 1, 3, 70])) if next_ - first >= 70 else 0
        start = next_ - back
        count = back + int(random.choice([0, 1, 5, 64, 700]))
        x = clock + np.cumsum(random.integers(0, 3, count)) - random.integers(0, 5, count)
        clock = float(x.max(initial=clock))
        piece = {"x": x, **{name: random.normal(0, 9, count) for name in names}}
        for name in names:
            piece[name][random.random(count) < 0.02] = np.nan
        calls: list[tuple[Any, ...]] = [("write", start, piece)] * (1 + (step % 5 == 0))
        if step < 5 and start == next_ == first:
            first = start
        model = {key: np.r_[each[: start - first], piece[key]] for key, each in model.items()}
        next_ = start + count
        if random.random() < 0.5:
            keep = int(random.choice([0, 100, 3000, 3000]))
            calls.append(("trim", next_ - keep))
            gone = max(next_ - keep - first, 0)
            first += gone
            model = {key: each[gone:] for key, each in model.items()}
        left, right = np.sort(random.uniform(clock - 2000, clock + 10, 2)).round()
        a, b = np.sort(random.integers(first - 5, next_ + 6, 2)).tolist()
        calls += [("first",), ("next",), ("xExtent",), ("between", left, right), ("extent", a, b)]
        calls += [("last",), ("bars", a, b, 20, "sum")]
        *_, f, n, span, inside, values, last, bars = held.all(*calls)
        assert (f, n) == (first, next_)
        assert span == extent(model["x"])
        range_ = between(model["x"], left, right)
        if range_ is None:
            assert inside[0] == inside[1]
        else:
            assert inside == [range_[0] + first, range_[1] + first]
        low, high = max(a - first, 0), max(b - first, 0)
        assert values == extent(*(model[name][low:high] for name in names))
        if next_ > first:
            same(list(last.values()), [each[-1] for each in model.values()])
        else:
            assert last is None
        a, b = (min(max(each, first), next_) for each in (a, b))
        group = bars.pop("group")
        if a < b:
            assert len(bars["x"]) <= 20
            expected = grouped(model, first, (a, b, group), "sum")
            for name, found in bars.items():
                np.testing.assert_allclose(found, expected[name], rtol=1e-9)


@pytest.mark.parametrize("how", ["sum", "peak"])
def test_bars_are_grouped_by_position(page: Page, how: str) -> None:
    """Too many bars become groups of 2, 4, 8, ..., the fewest that will do."""
    random = np.random.default_rng(6)
    for names in (["y"], CANDLE):
        held = Held(page, names)
        columns = {name: random.normal(0, 5, 3000).round(3) for name in names}
        columns["x"] = np.arange(3000.0)
        for name in names:
            columns[name][random.random(3000) < 0.1] = np.nan
            columns[name][512:640] = np.nan
        held.write(1001, **columns)
        columns = {"x": columns.pop("x"), **columns}
        for start, end, most, group in [
            (1001, 4001, 3000, 1), (1001, 4001, 2999, 2), (1001, 4001, 100, 32),
            (1500, 1600, 30, 4), (1001, 4001, 12, 512), (1001, 4001, 1, 4096), (2000, 2007, 0, 8),
        ]:  # fmt: skip
            bars = held("bars", start, end, most, how)
            assert bars.pop("group") == group
            expected = grouped(columns, 1001, (start, end, group), how)
            for name, found in bars.items():
                np.testing.assert_allclose(found, expected[name], rtol=1e-12, atol=1e-12)


def test_bars_do_not_change_as_the_window_slides(candles: Held) -> None:
    """A group that two views share is the same bar in both."""
    random = np.random.default_rng(7)
    candles.write(0, x=np.arange(5000), **{name: random.normal(0, 1, 5000) for name in CANDLE})
    before: dict[float, tuple[float, ...]] = {}
    for start in range(1000, 1100, 7):
        bars = candles("bars", start, start + 2000, 300, "peak")
        assert bars.pop("group") == 8
        x, *values = bars.values()
        for key, *bar in zip(x.tolist(), *values, strict=True):
            assert before.setdefault(key, tuple(bar)) == tuple(bar)


def test_a_thin_copy_stands_for_all(page: Page) -> None:
    """A picture has about as many points as asked for, and the extremes of all."""
    x, y = walk(8, 50_000, twins=0.5)
    line = Held(page, ["price"])
    line.write(0, x=x, price=y)
    thin = line("thin", 1000)
    assert list(thin) == ["x", "price"]
    assert 500 < len(thin["x"]) <= 1002
    assert [thin["x"][0], thin["x"][-1]] == [x[0], x[-1]]
    assert [thin["price"].min(), thin["price"].max()] == [y.min(), y.max()]
    candles = Held(page, CANDLE)
    candles.write(0, x=x, open=y, high=y + 1, low=y - 1, close=y)
    thin = candles("thin", 1000)
    assert list(thin) == ["x", *CANDLE]
    assert 250 < len(thin["x"]) <= 1000
    assert [thin["low"].min(), thin["high"].max()] == [y.min() - 1, y.max() + 1]


def test_memory_follows_what_is_held(page: Page) -> None:
    """Streamed for ever it does not grow; of a smaller window the memory is given back."""
    Held(page, ["y"])
    stream = """([rounds, size, keep]) => {
      let most = 0;
      for (let i = 0; i < rounds; i++) {
        const x = Float64Array.from({length: size}, (_, k) => series.next + k);
        series.write(series.next, {x, y: x});
        series.trim(series.next - keep);
        most = Math.max(most, series.capacity);
      }
      return [most, series.capacity, series.length, series.xExtent()[0] - series.first];
    }"""
    most, _, length, _ = page.evaluate(stream, [40_000, 25, 20_000])
    assert length == 20_000
    assert most <= 2.25 * 20_100 + 5000
    assert page.evaluate(stream, [100, 25, 100])[1:] == [page.evaluate("series.capacity"), 100, 0]
    assert page.evaluate("series.capacity") <= 6000
    most, *_ = page.evaluate(stream, [3, 500_000, 500_000])
    assert most <= 2.25 * 1_000_000 + 5000
    page.evaluate("series.reset('other', 5)")
    assert page.evaluate("series.capacity") <= 6000


def test_a_million_points_fit_a_frame(page: Page) -> None:
    """Lines and extents of a million points take a small part of a frame's 16 ms."""
    Held(page, ["y"])
    millis = page.evaluate("""() => {
      const x = Float64Array.from({length: 1e6}, (_, k) => 1.7e12 + k * 3);
      series.write(0, {x, y: x.map(value => Math.sin(value / 1e5) + Math.random())});
      const edges = Float64Array.from({length: 851}, (_, k) => x[0] + (x.at(-1) - x[0]) * k / 850);
      const fastest = work => Math.min(...Array.from({length: 40}, () => {
        const start = performance.now();
        work();
        return performance.now() - start;
      }));
      return [fastest(() => series.line(edges)), fastest(() => series.extent(0, 1e6))];
    }""")
    assert millis[0] < 8  # about 1 where nothing else runs; every point alone would take longer
    assert millis[1] < 2


def test_a_recorded_day_keeps_its_lows_and_highs(series: Held, recorded: Path) -> None:
    """Of a real day of trades each column has the lowest and highest price of all its trades."""
    with gzip.open(recorded / "ticks" / "lean-spy-20131007-trade.csv.gz", "rt") as file:
        rows = [line.split(",", 2)[:2] for line in file]
    day = np.array(rows, float)
    x, y = day[:, 0], day[:, 1] / 10_000
    for start in range(0, len(x), 10_007):
        series.write(start, x=x[start : start + 10_007], y=y[start : start + 10_007])
    for left, right in [(0.0, 1.0), (0.4, 0.6), (0.5, 0.51)]:
        span = x[-1] - x[0]
        edges = np.linspace(x[0] + left * span, x[0] + right * span, 301)
        line = series("line", edges)
        number, drawn = (
            np.minimum(np.searchsorted(edges, each, side="right") - 1, 299)
            for each in (x, line["x"])
        )
        inside = (x >= edges[0]) & (x <= edges[-1])
        assert inside.sum() > 1200
        for column in np.unique(number[inside]):
            real = y[inside & (number == column)]
            shown = (line["x"] >= edges[0]) & (line["x"] <= edges[-1])
            kept = line["y"][shown & (drawn == column)]
            assert [real[0], real.min(), real.max(), real[-1]] == [
                kept[0], kept.min(), kept.max(), kept[-1],
            ]  # fmt: skip
