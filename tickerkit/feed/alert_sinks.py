"""Sinks: where an alert's events go outside of the process: a webhook, or a CSV file."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tickerkit.alerts import AlertEvent
from tickerkit.errors import InvalidArgument
from tickerkit.feed.alert_delivery import NotDelivered
from tickerkit.sources.http_log import HidesKeys
from tickerkit.validation import check_path, check_text

__all__ = ["CsvSink", "Webhook"]

TIMEOUT_S = 10.0
# Answers after which the same request may succeed: too many requests, and faults of the server.
RETRIED = {408, 425, 429}
COLUMNS = (
    *("alert", "kind", "symbol", "price", "value", "level", "seq", "epoch"),
    *("time", "received", "text"),
)
HEADER = ",".join(COLUMNS)
# Of each file that alerts write to: several may append to it, in threads of their own.
_locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


class Webhook:
    """Posts each event as a JSON object, over a connection that is kept.

    Args:
        url: the address; errors name its host only, since the rest is often a secret.
    """

    def __init__(self, url: object) -> None:
        expected = "an address that begins with http:// or https://"
        check_text("webhook", url, expected)
        self.url = str(url)
        try:
            parts = urlsplit(self.url)
            self.host = parts.hostname or ""
            is_valid = parts.scheme in ("http", "https") and bool(self.host) and self.url.isascii()
        except ValueError:
            is_valid = False
        if not is_valid or any(char.isspace() for char in self.url):
            raise InvalidArgument("webhook", "…", expected)
        # Now, in the user's thread: at the first event, the import and the reading of certificates
        # would hold up other threads for a tenth of a second. Plain HTTP needs no certificates.
        import httpx

        self._hides_address = HidesKeys([str(httpx.URL(self.url))])
        self._client = httpx.Client(
            timeout=TIMEOUT_S,
            headers={"User-Agent": "tickerkit"},
            verify=self.url.lower().startswith("https:"),
        )

    def __call__(self, event: AlertEvent) -> None:
        """Post an event.

        Raises:
            NotDelivered: the server can't be reached, or answers with an error.
        """
        import httpx

        content = json.dumps(_payload(event), allow_nan=False).encode()
        headers = {"Content-Type": "application/json"}
        try:
            with self._hides_address:
                answer = self._client.post(self.url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Not its text, which may have the address.
            problem = f"the webhook at {self.host} can't be reached ({type(error).__name__})"
            raise NotDelivered(problem, may_retry=True) from None
        if not answer.is_success:
            code = answer.status_code
            problem = f"the webhook at {self.host} answers HTTP {code}"
            raise NotDelivered(problem, may_retry=code >= 500 or code in RETRIED)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class CsvSink:
    """Appends a line for each event to a CSV file, which several alerts may share.

    Args:
        path: the file; missing folders are created.

    Raises:
        InvalidArgument: it is not a path, or a file of something else.
    """

    def __init__(self, path: object) -> None:
        check_path("csv", path)
        self.path = Path(path).expanduser().resolve()  # type: ignore[arg-type]
        if self.path.is_dir():
            raise InvalidArgument("csv", str(path), "the path of a file")
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                if file.readline(len(HEADER) + 2).strip() != HEADER:
                    expected = "a new file, or one that alerts were written to"
                    raise InvalidArgument("csv", str(path), expected)

    def __call__(self, event: AlertEvent) -> None:
        """Append the line of an event.

        Raises:
            NotDelivered: the file can't be written.
        """
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(_payload(event)[name] for name in COLUMNS)
        try:
            with _locks[self.path]:
                self._append(line.getvalue().encode())
        except OSError as error:
            problem = f"{self.path.name} can't be written ({error.strerror})"
            raise NotDelivered(problem, may_retry=True) from None

    def close(self) -> None:
        """Do nothing: the file is open only while a line is written."""

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                new = line if size else f"{HEADER}\n".encode() + line
                if file.write(new) != len(new):
                    raise OSError(0, "the disk is full")
            except OSError:
                file.truncate(size)  # no half line
                raise


def _payload(event: AlertEvent) -> dict[str, Any]:
    """Return an event as plain values: times as ISO text, None for no number."""
    values = {
        "number": event.number,
        **{name: getattr(event, name) for name in COLUMNS},
        "time": _format_time(event.time.value),
        "received": _format_time(event.received.value),
    }
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _format_time(time_ns: int) -> str:
    """Return a time in UTC with all nine decimals, as on the wire."""
    import pandas as pd

    moment = pd.Timestamp(time_ns, tz="UTC")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9:09d}Z"
