"""Views: what a tap shows of its frames: tables, handshakes and files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import pandas as pd

from tickerkit.classroom.frame_cursor import Batch, FrameCursor, ReadFrame
from tickerkit.classroom.har import make_har
from tickerkit.classroom.passage import Handshake, Passage
from tickerkit.classroom.pcapng import make_pcapng
from tickerkit.classroom.recording import FrameRecorder
from tickerkit.classroom.tables import (
    make_frames_table,
    make_json_lines,
    make_links_table,
    make_row,
)
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.storage.files import prepare_path, replacing
from tickerkit.validation import check_choice, check_number, check_path
from tickerkit.wire import FrameLog

__all__ = ["Views"]

SUFFIXES = (".jsonl", ".pcapng", ".har")
SUFFIXES_NAMED = format_choices(SUFFIXES)
# Those of files to which frames can be appended.
GROWING = (".jsonl", ".pcapng")
GROWING_NAMED = format_choices(GROWING)

T = TypeVar("T")


class Views(ABC):
    """The tables and files of a tap; all are made from the frames that it holds."""

    port: int
    _log: FrameLog
    _passages: dict[int, Passage]
    _recorders: list[FrameRecorder]

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the tap."""

    @abstractmethod
    def _check_running(self) -> None:
        """Raise Stopped if the tap was stopped."""

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
        reads = [each for each in self._read_all()[1] if link in (None, each.frame.link)]
        chosen = reads if last is None else reads[max(len(reads) - last, 0) :]
        return make_frames_table([make_row(each) for each in chosen])

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
        handshakes, reads = self._read_all()
        target = prepare_path(path, mode, ("new", "overwrite"))
        with replacing(target) as file:
            if suffix == ".pcapng":
                file.writelines(make_pcapng(handshakes, (each.frame for each in reads), self.port))
            elif suffix == ".har":
                place = urlsplit(self.url).netloc
                file.write(make_har(handshakes, list(map(make_row, reads)), place))
            else:
                file.writelines(make_json_lines(map(make_row, reads)))
        return target

    def record(self, path: str | Path, mode: Literal["new", "overwrite"] = "new") -> FrameRecorder:
        """Write the frames to a file while they pass, from the oldest that the tap holds on.

        It ends with the tap, or when it is stopped; `with` does the same. It can't hold up the tap:
        frames that leave the tap's memory before they are written are counted in `lost`.

        Args:
            path: a file that ends in ".jsonl" or ".pcapng", as for `save`.
            mode: "new" to write a new file, "overwrite" to replace one.

        Raises:
            RecordingExists: if the file exists, and `mode` is "new".
            Stopped: if the tap was stopped.

        Example:
            >>> with tap.record("lesson.pcapng"):
            ...     feed.wait(100)
        """
        check_path("path", path)
        check_choice("mode", mode, ("new", "overwrite"))
        if Path(path).suffix.lower() not in GROWING:
            raise InvalidArgument("path", str(path), f"a path that ends in {GROWING_NAMED}")
        self._check_running()
        target = prepare_path(path, mode, ("new", "overwrite"))
        cursor = FrameCursor(self._log, self._passages)
        recorder = FrameRecorder(
            target, self.port, cursor, lambda *args: self._run_on_loop(self._take_all, *args)
        )
        self._recorders = [each for each in self._recorders if each.status != "stopped"]
        self._recorders.append(recorder)
        return recorder

    def _read_all(self) -> tuple[list[Handshake], Iterator[ReadFrame]]:
        """Return what the tap holds: the connections, and their frames."""
        cursor = FrameCursor(self._log, self._passages)
        handshakes, batch = self._run_on_loop(self._take_all, cursor)
        return handshakes, cursor.read(batch)

    # --- on the event loop --------------------------------------------------------------------

    def _take_all(
        self, cursor: FrameCursor, known: Collection[int] = ()
    ) -> tuple[list[Handshake], Batch]:
        passages = [each for each in self._passages.values() if each.number not in known]
        return [passage.make_handshake(self._hide) for passage in passages], cursor.take()

    def _list_links(self) -> list[dict[str, Any]]:
        return [passage.describe(self._hide) for passage in self._passages.values()]

    def _find(self, link: int | None) -> list[Passage]:
        """Return the connections, or one of them."""
        passages = [each for each in self._passages.values() if link in (None, each.number)]
        if link is not None and not passages:
            raise InvalidArgument("link", link, "the number of a connection; see tap.links")
        return passages
