"""LiveFigure in a real JupyterLab and a real browser: what the screen shows."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab import Jupyter, Lab

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Until = Callable[..., None]

START = """
import threading, time, warnings
warnings.filterwarnings("ignore", ".scattermapbox. is deprecated")  # plotly's own, up to 6.0
import numpy as np, pandas as pd, plotly.graph_objects as go
import tickerkit as tk

rng = np.random.default_rng(5)
walk = lambda n: 100 + np.cumsum(rng.normal(0, .02, n))
START = 1_795_000_000_000.0
stop = threading.Event()

def line(n=50_000, **options):
    layout = {"width": 900, "height": 450, "showlegend": True, "xaxis": {"type": "date"}}
    fig = tk.LiveFigure(data=[go.Scatter(name="AAPL", mode="lines")], layout=layout, **options)
    fig.append(START + np.arange(n) * 10., walk(n))
    return fig

def stream(fig, n=20):
    x = float(fig.data[0].x[-1])
    while not stop.is_set():
        fig.append(x + 10. * np.arange(1, n + 1), walk(n)); x += 10. * n
        time.sleep(.02)
"""
CHIP = "document.querySelector('.tickerkit-chip')"
STREAMED = """fig = line({}, window={})
threading.Thread(target=stream, args=(fig,)).start()
fig"""
PLOT = "document.querySelectorAll('.js-plotly-plot')"

# Draws all points by Plotly alone, below the figure. A FigureWidget would not do: on a busy machine
# its 5 MB take so long to load that it misses messages.
DRAW_PLAINLY = """async traces => {
    const [{ plotly }] = globalThis[Symbol.for("tickerkit.plotly")].values(), Plotly = await plotly;
    const e = document.querySelector(".js-plotly-plot");
    const plain = document.createElement("div");
    plain.classList.add("drawn-plainly");
    e.parentElement.after(plain);
    const layout = JSON.parse(JSON.stringify(e.layout));
    await Plotly.newPlot(plain, traces, layout);
}"""
ZOOM_PLAINLY = """async ([left, right, low, high]) => {
    const [{ plotly }] = globalThis[Symbol.for("tickerkit.plotly")].values(), Plotly = await plotly;
    const plain = document.querySelectorAll(".js-plotly-plot")[1];
    await Plotly.relayout(plain, {"xaxis.range": [left, right], "yaxis.range": [low, high]});
}"""
# The share of the pixels of the picture in a cell's output that are neither white, black nor grey.
COLOURED = """async () => {
    const image = document.querySelector(".jp-OutputArea img");
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) count += Math.abs(data[i] - data[i + 2]) > 60;
    return count / (data.length / 4);
}"""
SHAPES = """
fig = line(window=20_000, labels=False)
fig.update_layout(showlegend=False)
fig.add_scatter(mode="lines", line={"shape": "hv", "width": 3}, opacity=0.5)
fig.add_scatter(mode="lines", fill="tozeroy")
fig.add_scatter(mode="lines+markers", marker={"size": 9, "opacity": 0.7})
for trace, count in ((1, 60), (2, 300), (3, 40)):
    fig.append(START + 3e5 + np.linspace(0, 2e5, count), walk(count) + trace, trace=trace)
fig
"""
CANDLES = """
fig = tk.LiveFigure(window=5000, labels=False, layout={"width": 900, "height": 450})
n = 5000
o = walk(n); c = o + rng.normal(0, .05, n); h = np.maximum(o, c) + .03; l = np.minimum(o, c) - .03
t = START + np.arange(n) * 60_000.
fig.append_bars(t, o, h, l, c, rng.uniform(1, 5, n))
fig.update_xaxes(type="date", showgrid=False).update_yaxes(showgrid=False)
fig
"""


@pytest.fixture(scope="module")
def lab(jupyter: Jupyter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Open a notebook in JupyterLab, with helper functions in its kernel."""
    with jupyter.open(START, tmp_path_factory.mktemp("figure")) as lab:
        lab.run_all()
        yield lab


@pytest.fixture
def shown(lab: Lab) -> Iterator[Shown]:
    """Yield a helper that shows one figure, and close the figure after the test."""
    shown = Shown(lab)
    yield shown
    lab.page.evaluate("document.querySelectorAll('.drawn-plainly').forEach(e => e.remove())")
    lab.run("stop.set(); time.sleep(.1); stop.clear(); fig.close()")
    lab.until(f"() => {PLOT}.length === 0", 10)
    assert lab.errors == []
    assert lab.failures() == []


class Shown:
    """The figure `fig` of the notebook's kernel, as the page shows it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def show(self, code: str) -> None:
        """Run a cell that ends with a figure, and wait until it is drawn."""
        self.lab.run_cell(code)
        self.lab.until(f"() => {PLOT}.length && [...{PLOT}].every(e => e._tickerkit)", 30)

    def value(self, expression: str, index: int = 0) -> Any:
        """Return the value of a JavaScript expression of the plot `e`."""
        return self.lab.page.evaluate(f"() => {{ const e = {PLOT}[{index}]; return {expression} }}")

    def until(self, condition: str, index: int = 0, timeout_s: float = 15) -> None:
        """Wait until a JavaScript condition of the plot `e` is true."""
        self.lab.until(f"() => {{ const e = {PLOT}[{index}]; return {condition} }}", timeout_s)

    def kernel(self, expression: str) -> Any:
        """Return the value of an expression in the kernel."""
        return json.loads(self.lab.run(f"import json; print(json.dumps({expression}))"))

    def zoom(self, start: float, end: float) -> None:
        """Drag over a part of the plot's width."""
        box = self.lab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
        assert box is not None
        mouse, y = self.lab.page.mouse, box["y"] + box["height"] / 2
        mouse.move(box["x"] + box["width"] * start, y)
        mouse.down()
        mouse.move(box["x"] + box["width"] * end, y, steps=5)
        mouse.up()
        mouse.move(5, 5)

    def zoom_both(self, left: float, right: float, low: float, high: float) -> None:
        """Zoom the figure, and plotly's own drawing below it, to a range of x and of y."""
        ranges = f"xaxis_range=[{left}, {right}], yaxis_range=[{low}, {high}]"
        self.lab.run(f"fig.update_layout({ranges})")
        self.lab.page.evaluate(ZOOM_PLAINLY, [left, right, low, high])
        wanted = f"Math.abs(Date.parse(e._fullLayout.xaxis.range[0] + 'Z') - {left}) < 1"
        self.until(wanted, 0)
        self.until(wanted, 1)
        self.lab.page.mouse.move(5, 5)
        self.lab.page.wait_for_timeout(700)

    def pixels(self, index: int = 0) -> np.ndarray:
        """Return the pixels of a plot's area as grey values, shape (height, width)."""
        from PIL import Image

        clip = self.value(
            "(() => { const b = e.getBoundingClientRect(), a = e._fullLayout;"
            " const [x, y] = [a.xaxis, a.yaxis];"
            " return {x: Math.round(b.x + x._offset) + 1, y: Math.round(b.y + y._offset) + 1,"
            " width: Math.round(x._length) - 2, height: Math.round(y._length) - 2} })()",
            index,
        )
        png = self.lab.page.screenshot(clip=clip, style=".tickerkit-chip { visibility: hidden }")
        return np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)

    def picture(self, index: int = 0) -> np.ndarray:
        """Return the pixels of a whole plot as grey values, shape (height, width)."""
        from PIL import Image

        png = self.lab.page.locator(".js-plotly-plot .svg-container").nth(index).screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float)


def test_points_appended_from_a_thread_are_drawn(shown: Shown, artifacts: Path) -> None:
    """The newest point moves, with patches between full draws, on a date axis."""
    shown.show(STREAMED.format(50_000, 20_000))
    first = shown.value("e._tickerkit.newest")
    shown.until(f"e._tickerkit.newest > {first} + 5000")
    shown.until("e._tickerkit.hasPatch")
    shown.lab.page.screenshot(path=artifacts / "figure.png")
    assert shown.value("e._fullLayout.xaxis.type") == "date"
    assert shown.value("document.querySelector('.tickerkit-value').textContent.length") > 3
    assert "AAPL" in shown.value("e.querySelector('.legendtext').textContent")
    label = "document.querySelector('.tickerkit-value').textContent"
    assert len(shown.value(label).partition(".")[2]) == 2, "a price to the cent"


def test_zoom_holds_still_and_shows_every_point(shown: Shown) -> None:
    """A zoom stays while ticks come, and shows every point in it; the chip follows again."""
    shown.show(STREAMED.format(50_000, 30_000))
    shown.zoom(0.5, 0.55)
    shown.until(f"!{CHIP}.hidden")
    held = shown.value("e._fullLayout.xaxis.range")
    shown.until(f"/paused at ..:..:.., [1-9][0-9,]* new/.test({CHIP}.textContent)")
    shown.until("e.data[0].x.length > 100")
    assert shown.value("e._fullLayout.xaxis.range") == held
    assert shown.kernel("fig.follow") is False
    inside = shown.value("[...e.data[0].x].slice(1, -1)")
    assert np.allclose(np.diff(inside), 10)
    shown.lab.page.locator(".tickerkit-chip").click()
    shown.until(f"{CHIP}.hidden")
    newest = shown.value("e._tickerkit.newest")
    shown.until(f"e._tickerkit.newest > {newest}")
    assert shown.kernel("[fig.follow, fig.layout.xaxis.range]") == [True, None]
    shown.lab.run("fig.update_yaxes(range=[-500, 500])")
    shown.until("String(e._fullLayout.yaxis.range) === '-500,500'")


def test_follow_holds_and_releases_the_chart(shown: Shown) -> None:
    """fig.follow = False holds the chart, True releases it, and a range from Python holds it."""
    shown.show(STREAMED.format(50_000, 30_000))
    shown.lab.run("fig.follow = False")
    shown.until(f"!{CHIP}.hidden")
    held = shown.value("e._fullLayout.xaxis.range")
    shown.until(
        "/ [1-9][0-9,]{3,} new/.test(document.querySelector('.tickerkit-chip').textContent)"
    )
    assert shown.value("e._fullLayout.xaxis.range") == held
    shown.lab.run("fig.follow = True")
    shown.until(f"String(e._fullLayout.xaxis.range) !== '{','.join(held)}'")
    shown.lab.run("fig.update_xaxes(range=[START, START + 1000])")
    shown.until(f"!{CHIP}.hidden")
    assert shown.kernel("fig.follow") is False


def test_percentages_begin_at_zero_wherever_the_window_is(shown: Shown) -> None:
    """The page computes them from the values; a chart that holds still keeps their base."""
    shown.show(
        "fig = line(500, window=3)\n"
        "fig.update_traces(meta='percent', yhoverformat='+,.2f')\n"
        "fig.append(START + 5000 + np.arange(3) * 1000., [200., 210., 190.])\nfig"
    )
    shown.until("[...e.data[0].y].map(Math.round).join() === '0,5,-5'")
    assert shown.kernel("list(fig.data[0].y)") == [200, 210, 190]
    shown.lab.run("fig.append(START + 8000., 420.)")
    shown.until("[...e.data[0].y].map(Math.round).join() === '0,-10,100'")
    assert "+100.00" in shown.value("document.querySelector('.tickerkit-value').textContent")
    assert "+100.00" in shown.value("e.querySelector('.legendtext').textContent")
    shown.lab.run("fig.update_xaxes(range=[START + 6900, START + 8100])")
    shown.until(f"!{CHIP}.hidden")
    shown.lab.run("fig.append(START + 9000., 105.)")
    shown.lab.page.wait_for_timeout(500)
    assert shown.value("[...e.data[0].y].map(Math.round).slice(0, 3).join()") == "0,-10,100"
    shown.lab.run("fig.follow = True; fig.append(START + 10_000., 210.)")
    shown.until("[...e.data[0].y].map(Math.round).join() === '0,-75,-50'")


def test_nothing_covers_the_legend(shown: Shown) -> None:
    """Neither the mode bar, also before it is seen, nor a title, which is whole itself."""
    shown.show(
        "fig = line(100)\n"
        "for n in range(7): fig.add_scatter(x=[START], y=[100], name=f'NAME-{n}')\n"
        "fig.update_layout(margin_t=30)\nfig"
    )
    covered = (
        "[...e.querySelectorAll('.legendtext')].some(name => {"
        " const a = name.getBoundingClientRect();"
        " return ['.modebar', '.gtitle'].some(other => {"
        "  const b = e.querySelector(other)?.getBoundingClientRect();"
        "  return b?.height && a.left < b.right && b.left < a.right && a.top < b.bottom"
        "   && b.top < a.bottom; }); })"
    )
    right = (
        "Math.max(...[...e.querySelectorAll('.legendtext')]"
        ".map(name => name.getBoundingClientRect().right))"
        " > e.querySelector('.modebar').getBoundingClientRect().left"
    )
    shown.until(f"{right} && !({covered})")
    shown.lab.run("fig.update_layout(title='AAPL and seven others')")
    shown.until(f"e.querySelector('.gtitle') && !({covered})")
    shown.lab.run("fig.update_layout(title='AAPL<br>and seven others')")
    whole = (
        "e.querySelectorAll('.gtitle tspan').length > 1"
        " && e.querySelector('.gtitle').getBoundingClientRect().top"
        " >= e.getBoundingClientRect().top"
    )
    shown.until(f"{whole} && !({covered})")


def test_data_set_by_plotly_are_drawn_whole(shown: Shown) -> None:
    """A new y is drawn over the whole x, the trace keeps its name, and append continues."""
    shown.show("fig = line(50_000)\nfig")
    shown.lab.run("fig.data[0].y = -fig.data[0].y")
    shown.until(
        "e.data[0].x.length === 50000 && e.data[0].y.length === 50000 && e.data[0].y[9] < 0"
    )
    shown.lab.page.wait_for_timeout(300)
    assert shown.kernel("[fig.data[0].name, len(fig.data[0].x)]") == ["AAPL", 50_000]
    shown.lab.run("fig.append(START + 500_000., -120., trace='AAPL')")
    shown.until("e._tickerkit.newest === 1795000500000")
    assert shown.kernel("len(fig.data[0].x)") == 50_001


def test_plain_figure_is_right_at_once_and_then_live(shown: Shown) -> None:
    """px.line has its times in the figure's zone at once; its WebGL line is patched once live."""
    shown.show("""
import plotly.express as px
times = pd.date_range("2026-11-23T15:00:00Z", periods=2000, freq="10ms", unit="ns")
df = pd.DataFrame({"time": times, "price": walk(2000)})
fig = tk.LiveFigure(px.line(df, x="time", y="price"), tz="America/New_York")
fig""")
    seconds = "(Date.parse(each + 'Z') - Date.parse('2026-11-23T10:00:00Z')) / 1000"
    ends = f"e._fullLayout.xaxis.range.map(each => {seconds})"
    canvas = "e.querySelectorAll('.gl-canvas').length"
    kind = "[e._fullLayout.xaxis.type, e._fullData[0].type]"
    assert shown.value(ends) == [0, 19.99]
    assert shown.value(kind) == ["date", "scattergl"]
    assert shown.value(canvas) > 0
    shown.lab.run("fig.append(times[-1] + pd.Timedelta('1s'), 99)")
    shown.until(f"{ends}[1] > 20")
    shown.lab.run("fig.append(times[-1] + pd.Timedelta('1.01s'), 99)")
    shown.until("e._tickerkit.hasPatch")
    assert shown.value(kind) == ["date", "scatter"]
    assert shown.value(canvas) == 0
    assert shown.kernel("[fig.data[0].type, len(fig.data[0].x)]") == ["scattergl", 2002]
    shown.lab.run("fig.update_traces(x=times, y=df.price)")
    shown.until(f"{ends}[1] === 19.99 && {canvas}")


def test_changed_bar_is_drawn_while_the_chart_holds_still(shown: Shown) -> None:
    """A range from Python holds the chart; the open bar in it is still updated."""
    shown.show(CANDLES.replace("n = 5000", "n = 300"))
    shown.lab.run("fig.update_xaxes(range=[START, START + 310 * 60_000.])")
    shown.until(f"!{CHIP}.hidden")
    shown.lab.run(
        "for n in range(20):\n"
        " fig.append_bars(t[-1], o[-1], 104., 96., 100 + n / 100, 4.); time.sleep(.02)"
    )
    shown.until("Math.abs(e.data[0].close.at(-1) - 100.19) < 1e-9")


def test_axes_may_be_logarithmic_or_reversed(shown: Shown) -> None:
    """As in plotly, zero is left out of a logarithmic axis, and doesn't empty the chart."""
    shown.show(
        "fig = tk.LiveFigure(data=[go.Scatter(mode='lines')], layout={'xaxis': {'type': 'log'},"
        " 'yaxis': {'type': 'log'}})\nfig.append(np.arange(1000.), np.arange(1000.))\nfig"
    )
    shown.until("e?.data?.[0]?.x?.length > 100 && Math.abs(e._fullLayout.yaxis.range[1] - 3) < 0.5")
    shown.lab.run("fig.update_layout(xaxis={'type': 'linear', 'autorange': 'reversed'})")
    shown.until("e._fullLayout.xaxis.type === 'linear' && e._fullLayout.xaxis.range[0] > 900")


@pytest.mark.soak  # `make test-plotlys` runs it, too
def test_screen_shows_what_plotly_draws_of_all_points(shown: Shown) -> None:
    """At ten random zooms the pixels are those of all points drawn once by plain plotly.

    Some grey values differ where plotly smooths an edge: a line through four points of a column
    covers other fractions of a pixel than one through all points. So a column of pixels may differ
    by a pixel at the ends of its strokes: 98 of 100 pixels must be within a quarter of the scale.
    """
    shown.show("fig = line(60_000, window=60_000, labels=False)\nfig")
    points = shown.kernel("[fig.data[0].x.tolist(), fig.data[0].y.tolist()]")
    line = {"type": "scatter", "mode": "lines", "name": "AAPL", "x": points[0], "y": points[1]}
    shown.lab.page.evaluate(DRAW_PLAINLY, [line])
    rng = np.random.default_rng(11)
    for _ in range(10):
        width = 10 ** rng.uniform(2.2, 5.7)
        start = 1_795_000_000_000.0 + rng.uniform(0, 600_000 - min(width, 590_000))
        shown.zoom_both(start, start + width, min(points[1]), max(points[1]))
        streamed, drawn = shown.pixels(0), shown.pixels(1)
        assert streamed.shape == drawn.shape
        assert drawn.std() > 1
        assert (np.abs(streamed - drawn) < 64).mean() > 0.98


@pytest.mark.soak  # `make test-plotlys` runs it, too
def test_screen_shows_the_candles_that_plotly_draws(shown: Shown) -> None:
    """At ten random zooms the candles and their volume are those of all bars drawn by plotly.

    Up to one bar for two pixels they are the same drawing: 99.5 of 100 pixels must be within a
    quarter of the grey scale. With more bars, several become one. Then only how far up and down
    the ink of each column reaches must be the same, within a pixel and the width of a bar.
    """
    shown.show(CANDLES)
    columns = shown.kernel(
        "[[list(trace[k]) for k in trace._props if k in 'x y open high low"
        " close'.split()] for trace in fig.data]"
    )
    names = shown.kernel(
        "[[k for k in trace._props if k in 'x y open high low close'.split()]"
        " for trace in fig.data]"
    )
    price, volume = (dict(zip(n, c, strict=True)) for n, c in zip(names, columns, strict=True))
    shown.lab.page.evaluate(
        DRAW_PLAINLY,
        [
            {"type": "candlestick", "name": "price"} | price,
            {"type": "bar", "yaxis": "y2", "name": "volume"}
            | volume
            | {"marker": {"color": "rgba(128,128,128,.6)"}},
        ],
    )
    rng = np.random.default_rng(12)
    for count in range(10):
        bars = int(rng.integers(20, 340) if count < 7 else rng.integers(1000, 4500))
        start = price["x"][int(rng.integers(0, 5000 - bars))]
        shown.zoom_both(start, start + bars * 60_000, min(price["low"]), max(price["high"]))
        streamed, drawn = shown.pixels(0), shown.pixels(1)
        if count < 7:
            assert (np.abs(streamed - drawn) < 64).mean() > 0.995
            continue
        width = 2 + int(np.ceil(2 * streamed.shape[1] / shown.value("e.data[0].x.length")))
        for ours, plain in zip(reach(streamed), reach(drawn), strict=True):
            for one, other in ((ours, plain), (plain, ours)):
                around = [np.roll(other, step) for step in range(-width, width + 1)]
                assert (one <= np.max(around, axis=0) + 1)[width:-width].mean() > 0.99


def reach(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the ink of each column reaches from the bottom up and from the top down."""
    ink = np.abs(pixels - np.median(pixels)) > 20
    height = len(pixels)
    top, bottom = ink.argmax(axis=0), ink[::-1].argmax(axis=0)
    empty = ~ink.any(axis=0)
    return np.where(empty, -height, height - top), np.where(empty, -height, height - bottom)


@pytest.mark.soak  # `make test-plotlys` runs it, too
def test_patched_bar_looks_as_plotly_draws_it(shown: Shown) -> None:
    """Between full draws its path is replaced, in the colour of its new direction."""
    shown.show(CANDLES.replace("n = 5000", "n = 300"))
    shown.lab.run("fig.append_bars(t[-1], o[-1], 104., 96., o[-1] + 1, 4.); time.sleep(.5)")
    shown.lab.run(
        "for n in range(40):\n"
        " fig.append_bars(t[-1], o[-1], 104., 96., o[-1] + (n % 7 - 3.5) / 2, 4. - n % 3)\n"
        " time.sleep(.03)"
    )
    shown.until("e._tickerkit.hasPatch")
    path = "e.querySelectorAll('.boxlayer path.box')"
    shown.lab.run("fig.append_bars(t[-1], o[-1], 104., 96., o[-1] - .25, 2.)")
    shown.until("Math.abs(e.data[0].close.at(-1) - e.data[0].open.at(-1) + .25) < 1e-9")
    shown.lab.page.wait_for_timeout(100)
    quick = shown.pixels(), shown.value(f"[...{path}].at(-1).getAttribute('style')")
    shown.lab.run("fig.update_layout(meta='a full draw')")
    shown.lab.page.wait_for_timeout(700)
    assert (np.abs(quick[0] - shown.pixels()) < 64).mean() > 0.995
    assert quick[1] == shown.value(f"[...{path}].at(-1).getAttribute('style')")


def test_volume_of_combined_bars_fits_its_axis(shown: Shown) -> None:
    """The sum of several bars is higher than each of them, and the axis includes it."""
    shown.show(CANDLES)
    highest = shown.value("Math.max(...e.data[1].y)")
    assert highest > 5
    assert shown.value("e._fullLayout.yaxis2.range[1]") > highest


def set_ratio(lab: Lab, ratio: int) -> None:
    """Give each pixel of the page so many pixels of the screen, across and down."""
    size = lab.page.viewport_size
    assert size is not None
    metrics = {**size, "deviceScaleFactor": ratio, "mobile": False}
    devtools = lab.page.context.new_cdp_session(lab.page)
    devtools.send("Emulation.setDeviceMetricsOverride", metrics)


@pytest.mark.soak  # `make test-plotlys` runs it, too
@pytest.mark.parametrize("ratio", [2, 1])
def test_patch_looks_as_a_full_draw(shown: Shown, ratio: int) -> None:
    """Our own pixels are those of Plotly: of lines dense and sparse, steps, areas and markers.

    Of 1,000 pixels, 995 must be within an eighth of the grey scale: edges are smoothed by four
    samples across, where Plotly's are smoothed exactly.
    """
    lab = shown.lab
    set_ratio(lab, ratio)
    shown.show(SHAPES)
    lab.run(
        "x = float(fig.data[0].x[-1])\nfor n in range(30):\n"
        " fig.append(x + n * 10. + 10, 100.); time.sleep(.02)"
    )
    lab.page.wait_for_timeout(500)
    canvas = "e.querySelector('.tickerkit-canvas')"
    groups = "[...e.querySelectorAll('.scatterlayer .trace')]"
    assert shown.value(f"{canvas}.width / {canvas}.offsetWidth") == ratio
    assert shown.value(f"{groups}.every(each => each.style.visibility === 'hidden')")
    quick = shown.pixels()
    lab.run("fig.update_layout(meta='a full draw')")
    lab.page.wait_for_timeout(700)
    shown.value(f"{canvas}.remove(), {groups}.forEach(each => each.style.visibility = '')")
    full = shown.pixels()
    set_ratio(lab, 1)
    assert full.std() > 1
    assert (np.abs(quick - full) < 32).mean() > 0.995


def test_many_bars_are_combined_and_the_last_is_updated(shown: Shown, artifacts: Path) -> None:
    """At most 500 of 5,000 bars are drawn; the last is updated in place, and volume is below.

    Each bar of volume has the colour of its candle, which Python does not see, until the user
    gives the volume a colour.
    """
    shown.show(
        "fig = tk.LiveFigure(window=5000)\nn = 5000\no = walk(n); c = o + rng.normal(0, .05, n)\n"
        "t = START + np.arange(n) * 60_000.\n"
        "fig.append_bars(t, o, np.maximum(o, c) + .1, np.minimum(o, c) - .1, c, np.ones(n))\n"
        "fig.update_xaxes(type='date')\nfig"
    )
    assert shown.value("e.data[0].x.length") <= 500
    assert shown.value("e.data[1].y[1]") == 16
    shown.lab.run("fig.append_bars(t[-1], o[-1], 500., o[-1], 400., 7.)")
    shown.until("e.data[0].high.at(-1) === 500 && e.data[0].close.at(-1) === 400")
    # The bar is changed in place when it comes, and Plotly draws a while later.
    shown.until("e._fullLayout.yaxis.range[1] > 500")
    shown.lab.page.screenshot(path=artifacts / "candles.png")
    same = """[...e.querySelectorAll(".barlayer .point path")].every((bar, n) =>
        bar.style.fill === e.querySelectorAll(".boxlayer path.box")[n].style.stroke)"""
    shown.until(same)
    shown.lab.run("fig.append_bars(t[-1], o[-1], 500., 90., 91., 7.)")
    shown.until("e.data[0].close.at(-1) === 91")
    shown.until(same)
    shown.lab.run("fig.data[0].name = 'reported'")
    shown.until("e.data[0].name === 'reported'")
    assert shown.kernel("[fig.data[1].marker.color, fig.data[1].marker.opacity]") == [
        "rgba(128,128,128,.6)",
        None,
    ]
    shown.lab.run("fig.data[1].marker.color = 'blue'")
    shown.until("e._fullData[1].marker.color === 'blue' && e._fullData[1].marker.opacity === 1")


@pytest.mark.package  # of Jupyter, whatever the version of plotly
def test_second_view_and_reload_show_every_point(shown: Shown) -> None:
    """Both join in the middle of a stream; they miss no point and have no point twice."""
    shown.show(STREAMED.format(20_000, 100_000))
    shown.lab.run_cell("fig")
    shown.lab.until(f"() => {PLOT}.length === 2 && [...{PLOT}].every(e => e._tickerkit)")
    shown.lab.reload()
    shown.lab.until(f"() => {PLOT}.length === 2 && [...{PLOT}].every(e => e._tickerkit)", 60)
    newest = shown.value("e._tickerkit.newest")
    shown.until(f"e._tickerkit.newest > {newest}")
    shown.lab.run("stop.set()")
    end = shown.kernel("float(fig.data[0].x[-1])")
    for index in (0, 1):
        shown.until(f"e._tickerkit.newest === {end}", index)
    shown.lab.run("fig.update_xaxes(range=[fig.data[0].x[-1] - 3000, fig.data[0].x[-1]])")
    for index in (0, 1):
        shown.until("e.data[0].x.length < 400", index)
        assert np.allclose(np.diff(shown.value("[...e.data[0].x]", index)), 10)


@pytest.mark.package  # of Jupyter, whatever the version of plotly
def test_reloaded_page_reaches_the_kernel(shown: Shown, until: Until) -> None:
    """Its zoom arrives, though the last message to the kernel named a closed page's subshell."""
    shown.show("fig = line(window=30_000)\nfig")
    shown.lab.reload()
    shown.until("e && e._tickerkit", timeout_s=60)
    shown.lab.run(
        "def disturb():\n while not stop.is_set():\n"
        "  fig.comm._reply_subshell_id = 'of a closed page'; time.sleep(.001)\n"
        "threading.Thread(target=disturb).start()"
    )
    shown.zoom(0.5, 0.6)
    shown.until(f"!{CHIP}.hidden")
    until(lambda: shown.kernel("fig.follow") is False)
    assert "the page was reloaded" in shown.lab.run("fig.freeze()")
    assert shown.kernel("fig.comm is not None") is True


def test_changes_by_plotly_reach_the_page(shown: Shown, until: Until) -> None:
    """Traces, layout, styles and order change as with FigureWidget, and a click comes back."""
    shown.show("fig = tk.LiveFigure(data=[go.Scatter(y=[1, 2, 3], mode='markers')])\nfig")
    shown.lab.run("fig.add_trace(go.Bar(y=[3, 1, 2], name='bars'))")
    shown.until("e.data.length === 2 && e.data[1].name === 'bars'")
    shown.lab.run(
        "with fig.batch_update():\n fig.data[0].marker.color = 'red'\n"
        " fig.layout.title.text = 'both'"
    )
    shown.until("e._fullLayout.title.text === 'both' && e._fullData[0].marker.color === 'red'")
    shown.lab.run("fig.data = fig.data[::-1]")
    shown.until("e.data[0].name === 'bars'")
    shown.lab.run("fig.data = fig.data[:1]; fig.data[0].y = [9, 8]")
    shown.until("e.data.length === 1 && [...e.data[0].y].join() === '9,8'")
    shown.lab.run("clicked = []; fig.data[0].on_click(lambda t, p, s: clicked.append(p.ys))")
    shown.lab.run("done = []; fig.on_edits_completed(lambda: done.append(1))")
    shown.lab.page.locator(".js-plotly-plot .nsewdrag").first.hover(position={"x": 100, "y": 150})
    # plotly reports a click only once it has found the point under the mouse.
    shown.until("e._hoverdata?.length === 1")

    def is_clicked() -> bool:
        """Click; a busy page may miss one while it draws."""
        shown.lab.page.mouse.down()
        shown.lab.page.mouse.up()
        return bool(shown.kernel("clicked"))

    until(is_clicked)
    assert shown.kernel("clicked[0]") == [9]
    until(lambda: shown.kernel("len(done)") == 1)
    assert shown.kernel("fig.data[0].marker.line.width is not None or fig.data[0].uid is not None")


def test_changes_before_the_first_draw_arrive_once(shown: Shown) -> None:
    """Traces added while the page loads Plotly are drawn once."""
    shown.lab.run_cell(
        "fig = tk.LiveFigure()\ndisplay(fig)\n"
        "for n in range(20):\n fig.add_trace(go.Scatter(name=str(n), y=[n, n + 1]))\n"
        " time.sleep(.03)"
    )
    shown.until("e && e.data && e.data.length === 20 && e._tickerkit", timeout_s=30)
    shown.lab.page.wait_for_timeout(500)
    assert shown.value("e.data.map(each => each.name).join()") == ",".join(map(str, range(20)))


@pytest.mark.package  # of Jupyter, whatever the version of plotly
def test_saved_notebook_is_small(shown: Shown, lab: Lab) -> None:
    """Ten figures take less than 5 MB, plotly.js included; of plotly's own they take 51 MB."""
    shown.show("fig = line(100_000, window=100_000)\nfig")
    lab.run_cell("others = [line(100_000) for _ in range(9)]\nfor each in others: display(each)")
    lab.until(f"() => {PLOT}.length === 10 && [...{PLOT}].every(e => e._tickerkit)", 60)
    lab.run("fig.append(START + 2e6, 123.5)")
    shown.until("e._tickerkit.newest === 1795002000000")
    lab.save_with_widgets()
    text = lab.run("import pathlib; print(pathlib.Path('notebook.ipynb').stat().st_size)")
    assert 1_000_000 < int(text) < 5_000_000
    lab.run("for each in others: each.close()")


@pytest.mark.package  # of Jupyter, whatever the version of plotly
def test_freeze_replaces_the_figure_by_an_image(lab: Lab) -> None:
    """After freeze the cell shows an image, with the line, and the figure is closed."""
    shown = Shown(lab)
    shown.show("fig = line().update_layout(template='none')\nfig")
    shown.until("e._tickerkit.hasPatch && e.querySelector('.tickerkit-canvas')")
    lab.run("fig.freeze()")
    lab.until(f"() => {PLOT}.length === 0 && document.querySelector('.jp-OutputArea img')", 15)
    assert lab.page.evaluate(COLOURED) > 0.005
    assert shown.kernel("fig.comm is None") is True


HEAT_MAPS = """
from plotly.subplots import make_subplots
n, rows = 200, 64
wave = lambda at: np.sin(np.arange(rows)[:, None] / 9 + np.atleast_1d(at) / 7.3) + .1 * np.cos(at)
step = np.cumsum(rng.uniform(.2, 2, 300))
base = make_subplots(1, 2)
base.add_trace(go.Heatmap(colorscale="Viridis", showscale=False, opacity=0.6), 1, 1)
base.add_trace(go.Heatmap(coloraxis="coloraxis", y=[f"row {i}" for i in range(rows)]), 1, 2)
scale = {"colorscale": [[0, "black"], [.5, "rgba(255,0,0,.5)"], [1, "#eee"]], "reversescale": True}
fig = tk.LiveFigure(base, window=n)
# Fixed margins: Plotly's own depend on the labels that it has drawn before.
size = {"width": 900, "height": 450, "margin": {"l": 60, "r": 120, "t": 60, "b": 60}}
fig.update_layout(size, xaxis_type="date", coloraxis=scale)
fig.update_xaxes(automargin=False).update_yaxes(automargin=False)
fig.append_column(START + np.arange(n) * 100., wave(np.arange(n)))
fig.append_column(step[:n], wave(np.arange(n)), trace=1)
fig
"""
ADD_COLUMNS = """
for _ in range(20):
    at = n; n += 1
    fig.append_column(START + at * 100., wave(at)[:, 0])
    fig.append_column(step[at], wave(at)[:, 0], trace=1); time.sleep(.02)
"""
HEAT_TRACES = """[
    {name: each.tolist() if isinstance(each, np.ndarray) else each
     for name, each in trace.to_plotly_json().items() if name != "uid"}
    for trace in fig.data
]"""


def test_columns_of_heat_maps_are_drawn_as_plotly_draws_them(shown: Shown, artifacts: Path) -> None:
    """Canvases show even and uneven cells between Plotly's draws, with the pixels of its images."""
    shown.show(HEAT_MAPS)
    shown.lab.run(ADD_COLUMNS)
    shown.until("e.querySelectorAll('.tickerkit-cells canvas').length === 2")
    newest = shown.kernel("START + (n - 1) * 100.")
    shown.until(f"e._tickerkit.newest === {newest}")
    shown.lab.page.wait_for_timeout(100)
    moved = shown.pixels()
    shown.lab.run("fig.update_layout(meta='a full draw')")
    shown.lab.page.wait_for_timeout(700)
    assert shown.value("e.data.map(each => each.x.length)") == [2, 2], "only what the axes need"
    own, figure = shown.pixels(), shown.picture()
    shown.lab.page.evaluate(DRAW_PLAINLY, shown.kernel(HEAT_TRACES))
    shown.lab.page.screenshot(path=artifacts / "heat-maps.png")
    assert (np.abs(own - moved) < 8).mean() > 0.95
    assert (np.abs(own - shown.pixels(1)) < 8).mean() > 0.99
    # Plotly's image of uneven cells begins between two pixels: the edges of its cells are softer.
    assert (np.abs(figure - shown.picture(1)) < 8).mean() > 0.95
    shown.zoom(0.5, 0.6)
    shown.until("e.data[0].x.length === 200 && !e.querySelector('.tickerkit-cells')")
