"""StudentWire and SeatTap: what the teacher's notebook says to one student's connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from tickerkit.classroom.frame_cursor import read_plain
from tickerkit.classroom.tables import make_frames_table, make_row
from tickerkit.errors import InvalidArgument
from tickerkit.validation import check_choice, check_number, check_text
from tickerkit.wire import CORRUPTIONS

__all__ = ["SeatTap", "StudentWire"]

MAX_S = 3600.0
MAX_REASON_BYTES = 123
MIN_CODE, MAX_CODE = 1000, 4999


class StudentWire:
    """The connections of one student, or of all; made by `Room.wire` and `Room.wires`.

    Each order is for the connections that are open now, and returns how many there are. If a
    student has a page and programs, it is for the programs: the page goes on, and says so.
    """

    def __init__(self, execute: Callable[..., Any], name: str | None) -> None:
        self._execute, self.name = execute, name

    def drop(self) -> int:
        """Reset the connections: what is on the way is lost, and no close frame comes."""
        return self._order("drop")

    def stall(self, seconds: float = 5.0) -> int:
        """Let nothing pass for so long, then all of it at once."""
        check_number("seconds", seconds, 0, MAX_S)
        return self._order("stall", float(seconds))

    def delay(self, seconds: float, jitter: float = 0.0) -> int:
        """Let everything pass later by `seconds`, and by up to `jitter` seconds more.

        Later connections are delayed too; `delay(0)` ends it.
        """
        check_number("seconds", seconds, 0, MAX_S)
        check_number("jitter", jitter, 0, MAX_S)
        return self._order("delay", float(seconds), float(jitter))

    def resume(self) -> int:
        """Let everything pass at once again."""
        return self._order("resume")

    def truncate(self) -> int:
        """Send half of the next frame, then end the TCP connection."""
        return self._order("truncate")

    def corrupt(self, kind: str) -> int:
        """Corrupt the next frame of the right kind; for the kinds see `Tap.corrupt`."""
        check_choice("kind", kind, tuple(CORRUPTIONS))
        return self._order("corrupt", kind)

    def close(self, code: int = 1012, reason: str = "the teacher closes this connection") -> int:
        """Close the websocket with a code and a reason."""
        check_number("code", code, MIN_CODE, MAX_CODE, whole=True)
        expected = f"text of at most {MAX_REASON_BYTES} bytes"
        check_text("reason", reason, expected)
        if len(reason.encode("utf-8", "replace")) > MAX_REASON_BYTES:
            raise InvalidArgument("reason", reason, expected)
        return self._order("close", int(code), reason)

    def ping(self) -> int:
        """Send a ping; `roster` has the round trip."""
        return self._order("ping")

    def _order(self, kind: str, *args: Any) -> int:
        return int(self._execute("wire", self.name, kind, *args))

    def __repr__(self) -> str:
        return f"<StudentWire of {self.name or 'all'}>"


class SeatTap:
    """The frames of one student's programs; made by `Room.tap`, which begins to keep them."""

    def __init__(self, execute: Callable[..., Any], name: str) -> None:
        self._execute, self.name = execute, name

    def frames(self, last: int | None = None) -> pd.DataFrame:
        """Return the frames that are held, the oldest first: the newest 128 kB of them.

        Args:
            last: only the newest so many.

        Returns:
            A DataFrame with the columns of `Tap.frames`.
        """
        check_number("last", last, 0, whole=True, optional=True)
        first, fields = self._execute("frames", self.name)
        reads = read_plain(first, fields)
        chosen = reads if last is None else reads[max(len(reads) - last, 0) :]
        return make_frames_table([make_row(each) for each in chosen])

    def handshake(self) -> str:
        """Return the requests of the connections that are open, without secrets."""
        return str(self._execute("handshake", self.name))

    def __repr__(self) -> str:
        return f"<SeatTap of {self.name}, {len(self.frames()):,} frames>"
