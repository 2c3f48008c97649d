"""Page sides of widgets, shown in a browser without a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anywidget

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["show_page_side"]

SHOW = """async ([source, css]) => {
    const style = document.createElement("style");
    style.textContent = css;
    document.head.append(style);
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const { default: make } = await import(url);
    window.sent = [];
    const send = (message) => window.sent.push(message);
    const model = { on: (_, receive) => { window.receive = receive; }, send };
    const side = make();
    side.initialize({ model });
    side.render({ el: document.body });
}"""


def show_page_side(page: Page, widget: type[anywidget.AnyWidget]) -> None:
    """Show the page side of a widget, with a model that keeps what the page sends in `sent`."""
    page.evaluate(SHOW, [widget._esm, widget._css])
