"""Views: what a tap shows of its frames: tables, handshakes and files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import pandas as pd

from tickerkit.classroom.har import make_har
from tickerkit.classroom.passage import Handshake, Passage
from tickerkit.classroom.pcapng import make_pcapng
from tickerkit.classroom.tables import (
    FrameRow,
    make_frames_table,
    make_json_lines,
    make_links_table,
    make_rows,
)
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.storage.files import prepare_path, replacing
from tickerkit.validation import check_choice, check_number, check_path
from tickerkit.wire import Fields, FrameLog, WireFrame

__all__ = ["Views"]

SUFFIXES = (".jsonl", ".pcapng", ".har")
SUFFIXES_NAMED = format_choices(SUFFIXES)

T = TypeVar("T")


class Views(ABC):
    """The tables and files of a tap; all are made from the frames that it holds."""

    port: int
    _log: FrameLog
    _passages: dict[int, Passage]

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the tap."""

    @abstractmethod
    def _run_on_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where the frames are written."""

    @abstractmethod
    def _hide(self, head: bytes) -> bytes:
        """Return a head without what must not be shown."""

    def frames(self, last: int | None = None, link: int | None = None) -> pd.DataFrame:
        """Return the frames that the tap holds, the oldest first.

        Args:
            last: only the newest so many.
            link: only those of one connection.

        Returns:
            A DataFrame with the columns `seq` (the number of the frame), `time` (when its last byte
            was read), `link` (the number of the connection), `toward` ("client" or "server"),
            `opcode`, `fin`, `rsv` (the bits RSV1, RSV2 and RSV3 as 4, 2 and 1), `masked`, `key`
            (the masking key in hex), `length` (bytes of payload on the wire), `header` (in hex),
            `payload` (bytes, unmasked and inflated; of more than 64 KiB the beginning) and `note`:
            what is wrong with the frame, and what the tap did.
        """
        check_number("last", last, 0, whole=True, optional=True)
        check_number("link", link, 1, whole=True, optional=True)
        return make_frames_table(self._make_rows(last, link))

    @property
    def links(self) -> pd.DataFrame:
        """The connections: a row for each that is open, and for the newest 200 that have ended.

        `status` is the status of the server's answer, 101 for a websocket; `ping_client_ms` and
        `ping_server_ms` are the newest round trips between the tap and each end.
        """
        return make_links_table(self._run_on_loop(self._list_links))

    def handshake(self, link: int | None = None) -> str:
        """Return the request and the answer with which a connection began, by default the newest.

        Headers that the tap has changed are listed below the request as it came.
        """
        check_number("link", link, 1, whole=True, optional=True)

        def describe() -> str:
            passages = self._find(link)
            return passages[-1].describe_handshake(self._hide) if passages else ""

        return self._run_on_loop(describe)

    def save(self, path: str | Path, mode: Literal["new", "overwrite"] = "new") -> Path:
        """Write the frames that the tap holds to a file, and return its path.

        The end of the name says in which format: ".jsonl" for JSON lines, one for each frame, with
        the names of `frames()`, `payload` in hex, and `text` for frames of text; ".pcapng" for
        Wireshark, with IP and TCP headers that are made up; ".har" for the network panel of Chrome,
        with the messages of each websocket.

        Args:
            path: a file that ends in ".jsonl", ".pcapng" or ".har".
            mode: "new" to write a new file, "overwrite" to replace one.

        Raises:
            RecordingExists: if the file exists, and `mode` is "new".
        """
        check_path("path", path)
        check_choice("mode", mode, ("new", "overwrite"))
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidArgument("path", str(path), f"a path that ends in {SUFFIXES_NAMED}")
        first, fields, inflaters, handshakes = self._run_on_loop(self._snapshot)
        frames = list(map(WireFrame._make, fields))
        target = prepare_path(path, mode)
        with replacing(target) as file:
            if suffix == ".pcapng":
                file.writelines(make_pcapng(handshakes, frames, self.port))
            elif suffix == ".har":
                rows = make_rows(first, frames, inflaters)
                place = urlsplit(self.url).netloc
                file.write(make_har(handshakes, rows, place))
            else:
                file.writelines(make_json_lines(make_rows(first, frames, inflaters)))
        return target

    # --- on the event loop --------------------------------------------------------------------

    def _make_rows(self, last: int | None, link: int | None) -> list[FrameRow]:
        first, fields, inflaters, _ = self._run_on_loop(self._snapshot)
        frames = list(map(WireFrame._make, fields))
        return make_rows(first, frames, inflaters, last=last, link=link)

    def _snapshot(self) -> tuple[int, list[Fields], dict[int, Any], list[Handshake]]:
        passages = self._passages.values()
        handshakes = [passage.make_handshake(self._hide) for passage in passages]
        inflaters = {}
        for number, passage in self._passages.items():
            copies = passage.conversation.copy_inflaters()
            if copies is not None:
                inflaters[number] = copies
        return *self._log.read(), inflaters, handshakes

    def _list_links(self) -> list[dict[str, Any]]:
        return [passage.describe(self._hide) for passage in self._passages.values()]

    def _find(self, link: int | None) -> list[Passage]:
        """Return the connections, or one of them."""
        passages = [each for each in self._passages.values() if link in (None, each.number)]
        if link is not None and not passages:
            raise InvalidArgument("link", link, "the number of a connection; see tap.links")
        return passages
