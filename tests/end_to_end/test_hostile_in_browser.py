"""Symbols that are attacks, in a real browser: wherever they are shown they are text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Jupyter, Lab

import tickerkit as tk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

Until = Callable[..., None]

BODIES = (
    "<script>__hit=1</script>",
    "<img src=x onerror=__hit=1>",
    "<IMG/SRC=x/ONERROR=alert(__hit=1)>",
    "<svg onload=__hit=1>",
    "<svg><animate onbegin=__hit=1 attributeName=x>",
    '<iframe srcdoc="<script>parent.__hit=1</script>">',
    '<a href="javascript:__hit=1">x</a>',
    '<sub><i><a href="//evil.example/?__hit=1">x</a>',
    "<details open ontoggle=__hit=1>x",
    "<video><source onerror=__hit=1>",
    "<input autofocus onfocus=__hit=1>",
    "<form action=javascript:__hit=1><button>x",
    '<object data="javascript:__hit=1">',
    "<template><script>__hit=1</script></template>",
    "<math><mtext><style><img src=x onerror=__hit=1>",
    "<form><math><mtext></form><img src=x onerror=__hit=1>",
    "<svg><style><a title='</style><img src onerror=__hit=1>",
    "<b style=background:url(//evil.example/?__hit=1)>x",
    "<link rel=stylesheet href=//evil.example/?__hit=1>",
    "<meta http-equiv=refresh content=0;//evil.example>",
    '" autofocus onfocus=__hit=1 x="',
    "' onmouseover=__hit=1 x='",
    "&lt;img src=x onerror=__hit=1&gt;",
    "&#60;script&#62;__hit=1&#x3c;/script&#x3e;",
    r"$\href{javascript:__hit=1}{x}$",
)
# What may stand before them: ends of what they may be in, and what plotly takes for more than text.
PREFIXES = (
    *("", '">', "'>", "`>", "-->", "]]>", "</b>", "</a>", "</td>", "</bdi>", "</svg>", "<br>"),
    *("<i>", "<!--", "%{y}", "&lt;", "$x$", "\\", "=1+", "&amp;"),
)
PAYLOADS = [prefix + body for body in BODIES for prefix in PREFIXES]
# Each body twice, each prefix at least twice.
FEW = [PAYLOADS[index] for index in sorted(20 * (n // 2) + 7 * n % 20 for n in range(50))]

START = """
from importlib import import_module
from IPython.display import HTML, display
import tickerkit as tk

import_module("tickerkit.chart.lines").MAX_LINES = 50
server = tk.serve(None, port=0)
feed = tk.connect(server.url)
"""
CARDS = """
def cards(each=4):
    for start in range(0, 500, each):
        words = " ".join(PAYLOADS[start:start + each])
        for faults in (feed._faults, server._errors, server._journal.turned_away):
            faults.add_message("test", words)
        yield feed._repr_html_() + server._repr_html_()

display(HTML(f'<div id="cards">{"".join(cards())}</div>'))
"""

# Attributes that do something, with a payload's words in them.
ARMED = """() => [...document.querySelectorAll("*")].flatMap(e => [...e.attributes]
    .filter(({ name, value }) => /__hit|evil/.test(value) &&
        /^(on.*|style|srcdoc|src|action|content|data|(xlink:)?href)$/i.test(name))
    .map(({ name, value }) => `${e.tagName} ${name}=${value}`))
    .concat([...document.querySelectorAll("script, style")].map(e => e.textContent)
        .filter(text => text.includes("__hit")))"""
# An error of an image of one's own comes after those of images that were there before.
SETTLED = """() => new Promise(resolve => {
    const image = new Image();
    image.onerror = () => requestAnimationFrame(resolve);
    image.src = "data:,none";
})"""
LINKS = {"a", "img", "image", "iframe", "script", "foreignObject", "foreignobject"}
# A point of an element, from its middle outward, where nothing lies over it.
SEEN = """selector => {
    const element = document.querySelector(selector);
    const { x, y, width, height } = element.getBoundingClientRect();
    for (let part = 0.5; part < 1; part += 0.05) {
        for (const share of [part, 1 - part]) {
            const point = [x + width * share, y + height * share];
            if (document.elementFromPoint(...point) === element) return point;
        }
    }
    element.scrollIntoView({ block: "center" });
    return null;
}"""
TAGS = "e => [...e.querySelectorAll('*')].map(each => each.tagName.toLowerCase())"
TEXTS = "all => all.map(each => each.textContent)"


class Watched:
    """A page of which is noted what an attack would do.

    Attributes:
        page: the page.
        noted: dialogs, errors of scripts, and requests to other hosts or for what a payload wants.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.noted: list[str] = []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.noted.append(str(error)))
        page.on("request", lambda request: self._request(request.url))

    def _dialog(self, dialog: Any) -> None:
        self.noted.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        local = url.startswith(("http://127.0.0.1:", "data:", "blob:"))
        if not local or url.partition("?")[0].endswith("/x"):
            self.noted.append(url)

    def must_be_unharmed(self) -> None:
        """See that nothing ran, nothing was asked for, and nothing lies in wait for a click."""
        self.page.evaluate(SETTLED)
        assert self.page.evaluate("window.__hit") is None
        assert self.page.evaluate(ARMED) == []
        assert self.noted == []

    def tags(self, selector: str) -> Counter[str]:
        """Return how many elements of each tag are in the first that the selector finds."""
        return Counter(self.page.locator(selector).first.evaluate(TAGS))

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element that the selector finds, with plain spaces."""
        texts: list[str] = self.page.locator(selector).evaluate_all(TEXTS)
        return [text.replace("\xa0", " ") for text in texts]


def named(texts: list[str]) -> list[str]:
    """Return texts without the value at the end of each."""
    return [text.rpartition(" ")[0] for text in texts]


def ticks(price: float) -> list[dict[str, object]]:
    """Return a tick of each payload."""
    return [
        {"symbol": payload, "price": price + number / 100, "time": "2026-11-24T10:00:00Z"}
        for number, payload in enumerate(PAYLOADS)
    ]


@pytest.fixture(scope="module")
def lab(jupyter: Jupyter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Open a notebook with a server and a feed in its kernel."""
    with jupyter.open(START, tmp_path_factory.mktemp("hostile")) as lab:
        lab.run_all()
        # Not in a cell: its own source would be shown, too.
        lab.run(f"PAYLOADS, FEW = {PAYLOADS!r}, {FEW!r}\nserver.publish({ticks(100)!r})")
        lab.run(f"server.publish({ticks(101)!r}); feed.wait(1000)")
        assert lab.failures() == []
        yield lab


def test_the_payloads_are_what_a_server_may_send() -> None:
    """500 symbols, all different, none refused."""
    assert len(set(PAYLOADS)) == len(PAYLOADS) == 500
    with tk.serve(None, port=0) as server:
        server.publish(ticks(100))
        assert server.log.symbols() == PAYLOADS


def test_the_payloads_are_real(chromium: Browser) -> None:
    """Where they are taken for markup they run, and what watches for them sees it."""
    page = chromium.new_page()
    page.route("**/*", lambda route: route.fulfill(content_type="text/html", body=""))
    page.goto("http://127.0.0.1:1/")
    watched = Watched(page)
    page.evaluate(
        "all => all.forEach(each => document.body.append(Object.assign("
        "document.createElement('div'), { innerHTML: each })))",
        [body for body in BODIES if not body.startswith("<meta")],  # it would lead away
    )
    page.wait_for_function("() => window.__hit")
    page.evaluate(SETTLED)
    assert len(page.evaluate(ARMED)) > 10
    assert any("evil.example" in each for each in watched.noted)
    page.close()


def test_the_servers_page_shows_them_as_text(chromium: Browser, artifacts: Path) -> None:
    """A row for each, of the page's own elements and no other."""
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    watched = Watched(page)
    with tk.serve(None, port=0) as server:
        server.publish(ticks(100))
        page.goto(server.page)
        page.wait_for_function("() => document.querySelectorAll('#prices .quote').length === 500")
        assert watched.texts("#prices .symbol") == PAYLOADS
        assert watched.tags("#prices") == {
            "li": 500, "span": 1000, "bdi": 1000, "svg": 500, "path": 1500
        }  # fmt: skip
        assert watched.tags("body").keys() & LINKS == {"img"}
        assert watched.tags("body")["img"] == 1  # the icon
        page.screenshot(path=artifacts / "hostile-page.png")
        watched.must_be_unharmed()
    page.close()


def test_the_dashboard_shows_them_as_text(lab: Lab, artifacts: Path) -> None:
    """Its rows, its choice of symbols, the name of the one chosen, and its ribbon."""
    watched = Watched(lab.page)
    # Of a feed of its own: the charts of the other one have no marks of alerts.
    lab.run("alarmed = tk.connect(server.url).wait(1000)")
    lab.run("for each in FEW: alarmed.alert(each, below=0, name=each)")
    lab.run_cell("board = alarmed.dashboard()\nboard")
    lab.until("() => document.querySelectorAll('.tkd-symbol option').length === 501")
    assert watched.texts(".tkd-symbol option") == ["all symbols", *PAYLOADS]
    own = {"div", "span", "canvas"}
    shown: set[str] = set()
    for top in range(0, 500 * 26, 200):  # only rows in view are elements
        lab.page.locator(".tkd-grid").evaluate(f"e => {{ e.scrollTop = {top}; }}")
        lab.page.evaluate(SETTLED)
        shown |= set(watched.texts(".tkd-space [data-key=symbol]"))
        assert watched.tags(".tkd-space").keys() == own
    assert shown == set(PAYLOADS)
    at = "2026-11-24T10:00:00Z"
    lab.run(f"server.publish([{{'symbol': each, 'price': -1, 'time': {at!r}}} for each in FEW])")
    lab.until("() => document.querySelectorAll('.tkd-event').length >= 50")
    assert set(watched.texts(".tkd-event .tkd-link")) == set(FEW)
    lab.run(f"server.publish({ticks(101)!r})")
    lab.run("board.choose(symbol=FEW[0])")
    lab.until(f"() => document.querySelector('.tkd-title').textContent.includes({FEW[0]!r})")
    lab.page.screenshot(path=artifacts / "hostile-dashboard.png")
    assert not watched.tags(".tkd").keys() & {"img", "iframe", "script", "foreignobject"}
    watched.must_be_unharmed()
    lab.run("board.close(); alarmed.stop()")


def test_a_chart_shows_them_as_text(lab: Lab, artifacts: Path, until: Until) -> None:
    """Its legend with the newest values, and what it says of the point under the mouse."""
    watched = Watched(lab.page)
    lab.run_cell("figure = feed.chart(symbols=FEW, y='price', height=1400)\nfigure")
    legend = ".js-plotly-plot .infolayer .legendtext"
    labelled = r"e => / 10\d\.\d\d$/.test(e.textContent)"
    lab.until(f"() => [...document.querySelectorAll('{legend}')].filter({labelled}).length === 50")
    assert named(watched.texts(legend)) == FEW
    assert not watched.tags(".js-plotly-plot").keys() & LINKS
    hover = ".js-plotly-plot .hoverlayer .legendtext"

    def hovered() -> bool:
        # The notebook may scroll meanwhile: so wherever the plot is to be seen just then.
        if (point := lab.page.evaluate(SEEN, ".js-plotly-plot .nsewdrag")) is not None:
            lab.page.mouse.move(*point)
        return lab.page.locator(hover).count() == len(FEW)

    until(hovered, 30)
    lab.page.screenshot(path=artifacts / "hostile-chart.png")
    assert [name.removesuffix(" :") for name in named(watched.texts(hover))] == FEW
    assert not watched.tags(".js-plotly-plot").keys() & LINKS
    watched.must_be_unharmed()
    lab.run("figure.close()")


def test_a_figure_of_ones_own_runs_nothing(lab: Lab, artifacts: Path) -> None:
    """Names of columns are read as plotly reads them; the labels at the right have them as text."""
    watched = Watched(lab.page)
    lab.run_cell(
        "import pandas as pd, plotly.express as px\n"
        "frame = pd.DataFrame({name: [1.0 * n, n] for n, name in enumerate(FEW)})\n"
        "own = tk.LiveFigure(px.line(frame, height=1400))\n"
        "own.append({n: (2, n) for n in range(len(FEW))})\n"
        "own"
    )
    labels = ".tickerkit-value"
    lab.until(f"() => document.querySelectorAll('{labels}').length === 50")
    lab.page.mouse.move(*(lab.page.evaluate(SEEN, ".js-plotly-plot .nsewdrag") or (0, 0)))
    lab.page.screenshot(path=artifacts / "hostile-figure.png")
    assert any("<img" in text for text in watched.texts(labels))
    assert not watched.tags(labels)
    # What plotly makes of `<a href=...>` is a link to follow, not a script.
    assert not watched.tags(".js-plotly-plot").keys() & (LINKS - {"a"})
    lab.page.evaluate(SETTLED)
    assert lab.page.evaluate("window.__hit") is None
    assert watched.noted == []
    lab.run("own.close()")


def test_cards_show_them_as_text(lab: Lab, artifacts: Path) -> None:
    """Of a feed and a server, with what went wrong and who was turned away."""
    watched = Watched(lab.page)
    lab.run_cell(CARDS)
    lab.until("() => document.querySelectorAll('#cards table').length === 250")
    lab.page.screenshot(path=artifacts / "hostile-cards.png")
    told = [" ".join(PAYLOADS[start : start + 4]) for start in range(0, 500, 4)]
    cells = watched.texts("#cards td + td")
    assert [text for text in cells if "evil" in text or "__hit" in text] == [
        words for words in told for _ in range(3)
    ]
    own = {"div", "b", "span", "table", "tbody", "tr", "td", "a"}
    assert watched.tags("#cards").keys() == own
    assert watched.tags("#cards")["a"] == 125  # the link to each server's page
    watched.must_be_unharmed()
