"""LiveCard: the card of a server or a feed in a notebook, which follows its state."""

from __future__ import annotations

import secrets
import time
import weakref
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from tickerkit.runtime.page_modules import join_files
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed

__all__ = ["UPDATE_S", "LiveCard"]

UPDATE_S = 1.0
# Each file comes after the files that it imports.
PARTS = ("page_parts/kernel_link.js", "live_card.js")


class LiveCard(anywidget.AnyWidget):
    """Renews a card in the outputs that show it when it has changed, once a second at most.

    The card is HTML of those outputs, and not a view of this widget: a notebook that is opened
    without its kernel then shows the card as it was, and not that a widget is missing. Nothing is
    sent while no page shows it. The card does not keep its server or feed in memory.

    Args:
        render: a method that returns the card's HTML. The thread that sends for all widgets calls
            it, so it must not wait.
        is_final: a method that returns whether the card will change no more. A card that waited for
            changes of a stopped server would keep the sending thread running.
        clock: the time in seconds, monotonic.

    Attributes:
        card: the id by which the page finds the outputs.
    """

    _esm = join_files(f"runtime/{name}" for name in PARTS)
    card = traitlets.Unicode().tag(sync=True)
    min_interval_s = UPDATE_S

    def __init__(
        self,
        render: Callable[[], str],
        is_final: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._render = weakref.WeakMethod(render)
        self._is_final = weakref.WeakMethod(is_final)
        self._lease = PresenceLease(clock)
        self._pages: set[str] = set()
        self._sent = ""
        super().__init__(card=secrets.token_hex(8))
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def wrap(self, html: str) -> str:
        """Return the card's HTML for an output, in an element that the page can find."""
        return f'<div data-tickerkit-card="{self.card}">{html}</div>'

    def close(self) -> None:
        """Close the widget; idempotent."""
        self._pages.clear()
        SENDER.discard(self)
        super().close()

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Handle a message of a page; unknown messages are ignored."""
        kind = content.get("kind") if isinstance(content, dict) else None
        page = content.get("page") if kind in ("here", "away") else None
        if not isinstance(page, str):
            return
        if kind == "away":
            self._pages.discard(page)
            return
        self._lease.renew()
        if page not in self._pages:
            self._sent = ""  # it may show an older card
            self._pages.add(page)
        SENDER.request(self)

    def flush(self) -> None:
        """Send the card if it has changed and a page shows it; look again in a second."""
        if self._lease.ended:
            self._pages.clear()
        render, is_final = self._render(), self._is_final()
        if not self._pages or render is None or is_final is None:
            return
        is_last, html = is_final(), render()
        if html != self._sent:
            self._sent = html
            self.send({"kind": "card", "html": html})
        if not is_last:
            SENDER.request(self)
