"""Panel: the widget that shows a tap in the pages of a notebook, and takes orders from them."""

from __future__ import annotations

from typing import Any

import anywidget

from tickerkit.classroom.panel.exchange import MESSAGES_PER_S, MakeExchange
from tickerkit.classroom.panel.page_side import read_page_side, read_part
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed

__all__ = ["Panel"]


class Panel(anywidget.AnyWidget):
    """Shows the frames of a tap while they pass. A tap makes it when a cell shows the tap.

    Args:
        make_exchange: makes what it says to the pages.
    """

    _esm = read_page_side()
    _css = read_part("panel.css")
    min_interval_s = 1 / MESSAGES_PER_S

    def __init__(self, make_exchange: MakeExchange) -> None:
        self._exchange = make_exchange(
            lambda message, buffers: self.send(message, buffers or None),
            lambda: SENDER.request(self),
        )
        super().__init__()
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        self._exchange.handle(content)

    def flush(self) -> None:
        """Send what is new, in the sending thread."""
        self._exchange.flush()

    def close(self) -> None:
        """Close the widget; idempotent."""
        self._exchange.close()
        SENDER.discard(self)
        super().close()
