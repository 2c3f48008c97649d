"""Handshake: a feed's end of a connection, which also understands an HTTP/1.0 refusal."""

from __future__ import annotations

import re
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.http11 import Response

from tickerkit.net.liveness import MonitoredClient

__all__ = ["FeedClient"]

SERVER_ERROR = re.compile(rb"HTTP/1\.0 (5\d\d)")
STATUS_BYTES = len(b"HTTP/1.0 500")


class FeedClient(MonitoredClient):
    """A client connection that reports a server error sent in HTTP/1.0 as `InvalidStatus`.

    Some load balancers answer in HTTP/1.0 while the server behind them restarts. websockets reads
    HTTP/1.1 only: it raises `InvalidMessage`, which has no status code.
    """

    _first_bytes = b""

    def data_received(self, data: bytes) -> None:
        if self.response is None:
            self._first_bytes += data[: STATUS_BYTES - len(self._first_bytes)]
        super().data_received(data)

    async def handshake(self, *arguments: Any, **options: Any) -> None:
        try:
            await super().handshake(*arguments, **options)
        except InvalidMessage as error:
            if (status := SERVER_ERROR.match(self._first_bytes)) is None:
                raise
            raise InvalidStatus(Response(int(status[1]), "", Headers())) from error
