"""ServerOptions: the arguments of `tk.serve` that every kind of server takes, checked."""

from __future__ import annotations

import ssl as ssl_module
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tickerkit.brokers import Stream
from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.liveness import CHECK_S
from tickerkit.net.tls import CertificateFiles
from tickerkit.server.extension import Extension
from tickerkit.server.metrics import MISSING, is_installed
from tickerkit.server.own_page import check_page
from tickerkit.validation import check_flag, check_number

__all__ = ["ServerOptions"]

MIN_WRITE_BUFFER_BYTES = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Options of a server; `tk.serve` describes each but `extension`, for other rooms of tickerkit.

    Can be pickled, except an SSLContext.

    Raises:
        InvalidArgument: if an option is invalid.
    """

    history: int = 1_000_000
    token: str | bool | None = field(default=None, repr=False)
    ssl: ssl_module.SSLContext | CertificateFiles | None = None
    origins: Iterable[str] = ()
    hosts: Iterable[str] = ()
    max_clients: int = 1000
    stall_timeout: float | None = 30.0
    write_buffer: int = 2**20
    metrics_port: int | None = None
    publish: Stream | None = None
    page: str | Path | None = None
    notes: bool = False
    extension: Extension | None = None

    def __post_init__(self) -> None:
        check_number("history", self.history, 1, whole=True)
        check_number("max_clients", self.max_clients, 1, whole=True)
        check_number("stall_timeout", self.stall_timeout, CHECK_S, optional=True)
        check_number("write_buffer", self.write_buffer, MIN_WRITE_BUFFER_BYTES, whole=True)
        check_flag("notes", self.notes)
        check_number("metrics_port", self.metrics_port, 0, MAX_PORT, whole=True, optional=True)
        if self.metrics_port is not None and not is_installed():
            raise InvalidArgument("metrics_port", self.metrics_port, f"None. {MISSING}")
        object.__setattr__(self, "page", check_page(self.page))
        for name in ("origins", "hosts"):
            names = getattr(self, name)
            object.__setattr__(self, name, _parse_names(name, names))


def _parse_names(name: str, names: object) -> tuple[str, ...]:
    """Return the host names or origins of an argument; a text is one of them."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Iterable):
        found = tuple(names)
        if all(isinstance(each, str) for each in found):
            return found
    example = "'https://example.org'" if name == "origins" else "'ticks.example.org'"
    raise InvalidType(name, names, f"a list of texts such as {example}")
