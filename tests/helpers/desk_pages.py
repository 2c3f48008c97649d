"""The page of a dashboard in a browser, without a notebook and without a kernel."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from desk_scenes import NOW_MS, Scene
from ipywidgets.widgets.widget import _remove_buffers

import tickerkit as tk
from tickerkit.chart.desk.page_side import read_page_side, read_style
from tickerkit.chart.widgets.download import Download

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["check_accessibility", "find_cut_words", "set_theme", "show_desk"]

ROOT = Path(__file__).parents[2]
AXE = ROOT / ".ci/js/node_modules/axe-core/axe.min.js"
THEMES = Path(sys.prefix) / "share/jupyter/lab/themes/@jupyterlab"

# A manager of widgets with as much of it as the page uses. `desk.receive(message)` is the kernel's
# message, and `desk.sent` is what the page has sent.
SHOW = """async ({ desk, figure, download, plotly, messages }) => {
    const decode = (text) =>
        new DataView(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)).buffer);
    const make = async ({ esm, state, buffers = [] }) => {
        for (const [path, bytes] of buffers) {
            const last = path.at(-1);
            path.slice(0, -1).reduce((part, key) => part[key], state)[last] = decode(bytes);
        }
        const handlers = [], sent = [];
        const model = {
            state, handlers, sent,
            widget_manager: manager,
            get: (name) => state[name],
            set: (name, value) => { state[name] = value; },
            save_changes() {},
            send: (message) => sent.push(message),
            on: (names, call) => names.split(" ").forEach((name) => handlers.push([name, call])),
            off() {},
            emit: (wanted, ...values) =>
                handlers.forEach(([name, call]) => name === wanted && call(...values)),
            receive: (message) => model.emit("msg:custom", message, []),
            update: (name, value) => { state[name] = value; model.emit(`change:${name}`); },
        };
        if (esm) {
            const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
            const { default: given } = await import(url);
            model.side = typeof given === "function" ? given() : given;
            model.side.initialize?.({ model });
        }
        return model;
    };
    const models = {};
    const manager = {
        get_model: async (id) => models[id],
        create_view: async (model) => {
            const el = document.createElement("div");
            const end = model.side.render({ model, el });
            return { el, remove: () => { end?.(); el.remove(); } };
        },
    };
    models.plotly = await make(plotly);
    models.figure = await make(figure);
    models.download = await make(download);
    window.desk = await make(desk);
    const el = document.createElement("div");
    document.querySelector("main").append(el);
    window.desk.side.render({ model: window.desk, el });
    messages.forEach((message) => window.desk.receive(message));
}"""

EMPTY_SIDE = "export default () => ({ initialize() {}, render() { return () => {}; } })"

CUT_WORDS = """() => {
    const root = document.querySelector(".tkd"), found = [];
    const all = "button, select, span, b, strong, time, p, [role=gridcell]";
    const ofOneLine = "button, .tkd-headline *, .tkd-chip *, [role=gridcell], .tkd-count";
    const body = root.getBoundingClientRect();
    for (const e of root.querySelectorAll(all)) {
        const text = e.textContent.trim();
        if (!text || !e.checkVisibility() || !e.getClientRects().length) continue;
        if (e.closest(".tkd-unseen, .js-plotly-plot, svg")) continue;
        const { overflow, clipPath } = getComputedStyle(e);
        if (clipPath !== "none") continue; // it is for screen readers
        const name = `${e.tagName} ${e.className} ${JSON.stringify(text.slice(0, 40))}`;
        const box = e.getBoundingClientRect();
        const isCut = e.scrollWidth > e.clientWidth + 1 && overflow !== "visible";
        if (isCut) found.push(`cut: ${name}`);
        if (box.right > body.right + 1 || box.left < body.left - 1) found.push(`out: ${name}`);
        if (e.matches(ofOneLine) && box.height > 34) found.push(`wrapped: ${name}`);
    }
    for (const bar of root.querySelectorAll(".tkd-bar, .tkd-feeds, .tkd-grid")) {
        const padding = parseFloat(getComputedStyle(bar).paddingRight);
        const end = bar.getBoundingClientRect().right - padding + 1;
        const isOut = bar.lastElementChild?.getBoundingClientRect().right > end;
        if (isOut || bar.scrollWidth > bar.clientWidth + 1) found.push(`wide: ${bar.className}`);
    }
    return found;
}"""

AXE_RUN = """async (selector) => {
    const { violations } = await axe.run(selector);
    return violations.map(({ id, help, nodes }) =>
        `${id}: ${help}: ${nodes.slice(0, 4).map(({ html, any }) =>
            html.slice(0, 160) + " " + any.map((each) => each.message).join("; ")).join(" | ")}`);
}"""


def show_desk(page: Page, scene: Scene, theme: str = "light", *, with_chart: bool = False) -> None:
    """Show the page side of a dashboard in a page that has JupyterLab's theme.

    Args:
        page: an empty page; `desk` becomes the model.
        scene: what the kernel says.
        theme: "light" or "dark".
        with_chart: whether to show a chart; it takes a second.
    """
    page.goto("about:blank")  # Plotly's style goes with the document, and so must Plotly
    page.set_content("<html lang=en><title>dashboard</title><body><main></main></body></html>")
    style = read_style()
    page.add_style_tag(content=f"body {{ margin: 0; padding: 12px }} {style}")
    set_theme(page, theme)
    state = {
        "_menu": scene.menu,
        "_choices": scene.choices,
        "_figure": "IPY_MODEL_figure",
        "_download": "IPY_MODEL_download",
    }
    download = {"esm": Download._esm, "state": {"description": "Download", "tooltip": "save"}}
    models: dict[str, Any] = {
        "desk": {"esm": read_page_side(), "state": state},
        "figure": {"esm": EMPTY_SIDE, "state": {}},
        "download": download,
        "plotly": {"esm": "", "state": {}},
    }
    if with_chart:
        figure = _make_figure(scene)
        models |= {"figure": _pack(figure, figure._esm), "plotly": _pack(figure._plotly, "")}
        models["figure"]["state"]["_plotly"] = "IPY_MODEL_plotly"
        figure.close()
    page.evaluate(SHOW, {**models, "messages": scene.messages()})
    if with_chart:
        page.wait_for_function("() => document.querySelector('.js-plotly-plot')?._fullLayout")
    page.evaluate("() => new Promise((end) => requestAnimationFrame(() => setTimeout(end, 100)))")


def set_theme(page: Page, theme: str) -> None:
    """Give a page the colours of JupyterLab's light or dark theme."""
    css = (THEMES / f"theme-{theme}-extension/index.css").read_text("utf-8")
    page.add_style_tag(content=f"{css} body {{ background: var(--jp-layout-color0) }}")
    is_light = str(theme == "light").lower()
    page.evaluate("value => { document.body.dataset.jpThemeLight = value }", is_light)


def find_cut_words(page: Page) -> list[str]:
    """Return what is cut, wrapped, or outside of the dashboard."""
    found: list[str] = page.evaluate(CUT_WORDS)
    return found


def check_accessibility(page: Page, selector: str = ".tkd") -> list[str]:
    """Return axe's violations in a part of the page; none where axe is not installed.

    `.ci/js/run lint` installs it.

    With TICKERKIT_REQUIRE_NODE=1, as in CI, a missing axe fails the test.
    """
    if not AXE.exists():
        assert os.environ.get("TICKERKIT_REQUIRE_NODE") != "1", f"{AXE} is missing: make lint-js"
        return []
    if not page.evaluate("() => 'axe' in window"):
        # Not a script tag, which the policy of JupyterLab may refuse.
        page.evaluate(AXE.read_text("utf-8"))
    violations: list[str] = page.evaluate(AXE_RUN, selector)
    return violations


def _make_figure(scene: Scene) -> tk.LiveFigure:
    """Return a chart of the scene's lines."""
    percent = "percent" if scene.choices["view"] == "percent" else ""
    figure = tk.LiveFigure(
        layout={"height": scene.menu["height"], "margin": {"l": 56, "r": 8, "t": 8, "b": 32}}
    )
    figure.update_xaxes(type="date")
    for name, values in scene.lines.items():
        times = NOW_MS - 5000.0 * np.arange(len(values))[::-1]
        if scene.choices["view"] == "candles":
            opens = np.r_[values[0], values[:-1]]
            high, low = np.maximum(opens, values) + 0.02, np.minimum(opens, values) - 0.02
            figure.append_bars(times, opens, high, low, np.asarray(values), np.full(60, 5.0))
            continue
        figure.add_scatter(name=name, mode="lines", hovertemplate=percent)
        figure.append(times, np.asarray(values), trace=len(figure.data) - 1)
    if scene.note:
        figure.show_note({"kind": "waiting", "text": scene.note})
    return figure


def _pack(widget: ipywidgets.Widget, esm: str) -> dict[str, Any]:
    state, paths, buffers = _remove_buffers(widget.get_state())
    texts = [base64.b64encode(buffer).decode() for buffer in buffers]
    state.pop("_esm", None)
    state.pop("layout", None)
    return {"esm": esm, "state": state, "buffers": list(map(list, zip(paths, texts, strict=True)))}
