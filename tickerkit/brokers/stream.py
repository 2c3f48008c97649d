"""Stream: where a server publishes its ticks, and how much is held there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tickerkit.brokers.address import StreamAddress
from tickerkit.brokers.settings import StreamLimits

__all__ = ["Stream", "stream"]


@dataclass(frozen=True)
class Stream:
    """A stream on a broker; made by `tk.stream`.

    Attributes:
        address: where it is kept, and what to log in with.
        limits: how much a new one holds.
    """

    address: StreamAddress
    limits: StreamLimits = field(default_factory=StreamLimits)

    def __str__(self) -> str:
        return str(self.address)


def stream(
    url: str | Stream,
    *,
    creds: str | Path | None = None,
    ca: str | Path | None = None,
    cert: str | Path | None = None,
    key: str | Path | None = None,
    keep: str | None = None,
    replicas: int | None = None,
) -> Stream:
    """Return a stream on NATS JetStream, for `tk.serve(source, publish=...)` and `tk.serve(...)`.

    This call doesn't connect. A server that publishes makes the stream if the broker has none, and
    never changes one: what doesn't fit is an error that names the setting.

    Args:
        url: `"nats://host:4222,host2:4222/name"`, or `tls://`; with `user:password@` if need be,
            which may also be in the variables NATS_USER and NATS_PASSWORD.
        creds: path of a credentials file; by default that of the variable NATS_CREDS.
        ca: path of the certificates to trust; by default those of the system.
        cert: path of this client's own certificate.
        key: path of its key.
        keep: how much a new stream holds: "1GB" (the default, some 50 million ticks), "24h", or
            both as in "24h,10GB".
        replicas: how many servers hold a new stream; by default 3 in a cluster.

    Raises:
        InvalidArgument: an argument is invalid.

    Example:
        >>> stream = tk.stream("nats://n1,n2,n3/crypto", creds="maker.creds", keep="24h")
        >>> server = tk.serve(source, publish=stream)
    """
    if isinstance(url, Stream):
        return url
    parsed = StreamAddress.parse(url, creds=creds, ca=ca, cert=cert, key=key)
    return Stream(parsed, StreamLimits.parse(keep, replicas))
