"""ServerOptions: the arguments of `tk.serve` that every kind of server takes, checked."""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Iterable
from dataclasses import dataclass, field

from tickerkit.net.liveness import CHECK_S
from tickerkit.net.tls import CertificateFiles
from tickerkit.validation import check_number

__all__ = ["ServerOptions"]

MIN_WRITE_BUFFER_BYTES = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Options of a server; `tk.serve` describes each. Can be pickled, except an SSLContext.

    Raises:
        TypeError: if a number is of another type.
        ValueError: if a number is too small.
    """

    history: int
    token: str | bool | None = field(repr=False)
    ssl: ssl_module.SSLContext | CertificateFiles | None
    origins: Iterable[str]
    hosts: Iterable[str]
    max_clients: int
    stall_timeout: float | None
    write_buffer: int

    def __post_init__(self) -> None:
        check_number("history", self.history, 1, whole=True)
        check_number("max_clients", self.max_clients, 1, whole=True)
        check_number("stall_timeout", self.stall_timeout, CHECK_S, optional=True)
        check_number("write_buffer", self.write_buffer, MIN_WRITE_BUFFER_BYTES, whole=True)
        for name in ("origins", "hosts"):
            names = getattr(self, name)
            object.__setattr__(self, name, (names,) if isinstance(names, str) else tuple(names))
