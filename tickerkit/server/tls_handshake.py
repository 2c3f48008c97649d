"""TLS handshake: a server's connection before it is encrypted, which counts from its first byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ssl import SSLContext

__all__ = ["TlsHandshake"]

HANDSHAKE_S = 3.0
SHUTDOWN_S = 2.0


class TlsHandshake(asyncio.Protocol):
    """The TLS handshake of one connection of a server.

    Why not pass the certificate to asyncio's server? It calls `connection_made` only after the
    handshake. So connections that never finish it would be counted nowhere, could not be closed to
    make room for others, and would use up the files that the process may open.

    Args:
        transport: the connection as accepted.
        tls: the certificate.
        protocol: its `connection_made` is called with the encrypted transport.
        on_failure: called if the handshake fails, or the connection ends before.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        tls: SSLContext,
        protocol: asyncio.Protocol,
        on_failure: Callable[[], None],
    ) -> None:
        self._protocol = protocol
        self._on_failure = on_failure
        self._early = b""
        self._is_lost = False
        transport.pause_reading()
        transport.set_protocol(self)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(loop, transport, tls))

    def data_received(self, data: bytes) -> None:
        # The request may arrive together with the end of the handshake.
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True

    async def _run(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, tls: SSLContext
    ) -> None:
        encrypted: asyncio.Transport | None = None
        try:
            if not transport.is_closing():
                encrypted = await loop.start_tls(
                    transport,
                    self,
                    tls,
                    server_side=True,
                    ssl_handshake_timeout=HANDSHAKE_S,
                    ssl_shutdown_timeout=SHUTDOWN_S,
                )
        except OSError:  # also ssl.SSLError: a peer may send anything
            pass
        finally:
            if encrypted is None or self._is_lost:
                transport.abort()
                self._on_failure()
        if encrypted is not None and not self._is_lost:
            encrypted.set_protocol(self._protocol)
            self._protocol.connection_made(encrypted)
            if self._early:
                self._protocol.data_received(self._early)
