"""Settings of a stream on the broker: those it is made with, and those that don't fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tickerkit.brokers.address import StreamAddress
from tickerkit.errors import InvalidArgument
from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.ticks import NS_PER_S
from tickerkit.validation import check_number

__all__ = ["MIN_MESSAGE_BYTES", "Misfit", "StreamLimits", "find_misfits", "make_settings"]

DEFAULT_MAX_BYTES = 10**9
MIN_MAX_BYTES = 10**6
MAX_REPLICAS = 5
DUPLICATE_WINDOW_NS = NS_PER_S
# The largest body, with its headers.
MIN_MESSAGE_BYTES = MAX_SEGMENT_BYTES + 2**13
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])b", re.IGNORECASE)
AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)
SIZE_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EXPECTED_KEEP = "a size such as '1GB', a time such as '24h', or both as in '24h,10GB'"


@dataclass(frozen=True)
class StreamLimits:
    """How much a new stream holds; the oldest messages beyond it are dropped by the broker.

    Attributes:
        max_bytes: bytes of messages with their headers; None for no limit. A gigabyte holds some
            50 million ticks.
        max_age_s: seconds since the broker stored a message; None for no limit.
        replicas: how many servers hold the stream; None for 3 in a cluster, else 1.
    """

    max_bytes: int | None = DEFAULT_MAX_BYTES
    max_age_s: float | None = None
    replicas: int | None = None

    def __post_init__(self) -> None:
        check_number("max_bytes", self.max_bytes, MIN_MAX_BYTES, whole=True, optional=True)
        check_number("max_age_s", self.max_age_s, 1, optional=True)
        check_number("replicas", self.replicas, 1, MAX_REPLICAS, whole=True, optional=True)

    @classmethod
    def parse(cls, keep: str | None = None, replicas: int | None = None) -> StreamLimits:
        """Return the limits of `keep`: "1GB", "24h" or "24h,10GB".

        A time alone sets no limit of bytes: the stream is as large as that time needs.

        Raises:
            InvalidArgument: `keep` is no such text, or a number is out of range.
        """
        if keep is None:
            return cls(replicas=replicas)
        max_bytes: int | None = None
        max_age_s: float | None = None
        for part in str(keep).split(","):
            if match := SIZE.fullmatch(part.strip()):
                max_bytes = int(float(match[1]) * SIZE_UNITS[match[2].lower()])
            elif match := AGE.fullmatch(part.strip()):
                max_age_s = float(match[1]) * AGE_UNITS[match[2].lower()]
            else:
                raise InvalidArgument("keep", keep, EXPECTED_KEEP)
        is_small = max_bytes is not None and max_bytes < MIN_MAX_BYTES
        if is_small or (max_age_s is not None and max_age_s < 1):
            raise InvalidArgument("keep", keep, "at least 1MB, or 1s")
        return cls(max_bytes, max_age_s, replicas)


class Misfit(NamedTuple):
    """A setting of a stream with which tickerkit can't use it.

    Attributes:
        setting: the setting's name, as the broker writes it.
        value: its value.
        expected: the value that it should have, in words.
        reason: why.
    """

    setting: str
    value: object
    expected: str
    reason: str

    def __str__(self) -> str:
        return f"{self.setting} is {self.value!r}, not {self.expected}: {self.reason}"


def make_settings(address: StreamAddress, limits: StreamLimits, replicas: int) -> dict[str, Any]:
    """Return the settings of a new stream, as the broker reads them."""
    max_age_s = limits.max_age_s or 0
    max_age_ns = int(max_age_s * NS_PER_S)
    # The broker refuses a window that is longer than messages live.
    window_ns = min(DUPLICATE_WINDOW_NS, max_age_ns or DUPLICATE_WINDOW_NS)
    return {
        "name": address.stream,
        "subjects": [address.subject],
        "description": f"ticks of tickerkit: {address.name}",
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": replicas,
        "max_bytes": limits.max_bytes or -1,
        "max_msgs": -1,
        "max_age": max_age_ns,
        "duplicate_window": window_ns,
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
    }


def find_misfits(
    config: dict[str, Any], address: StreamAddress, *, is_maker: bool
) -> Iterator[Misfit]:
    """Yield the settings of a stream with which tickerkit can't use it.

    Args:
        config: the settings, as the broker writes them.
        address: the stream's address.
        is_maker: whether the stream is to be written.
    """
    if config.get("mirror"):
        if is_maker:
            reason = "a mirror can't be written; publish to the stream that it copies"
            yield Misfit("mirror", config["mirror"].get("name"), "unset", reason)
    elif config.get("subjects") != [address.subject] or config.get("sources"):
        reason = "other messages would be between the ticks"
        yield Misfit("subjects", config.get("subjects"), f"{[address.subject]!r} only", reason)
    if not config.get("allow_direct"):
        yield Misfit("allow_direct", False, "True", "relays look positions up by it")
    retention = config.get("retention", "limits")
    if retention != "limits":
        reason = "what one relay has read would be gone for the others"
        yield Misfit("retention", retention, "'limits'", reason)
    if not is_maker:
        return
    if config.get("discard", "old") != "old":
        reason = "a full stream would refuse new ticks"
        yield Misfit("discard", config.get("discard"), "'old'", reason)
    if config.get("no_ack"):
        yield Misfit("no_ack", True, "False", "no answer would say that ticks are stored")
    if config.get("sealed"):
        yield Misfit("sealed", True, "False", "a sealed stream can't be written")
    largest = config.get("max_msg_size", -1)
    if 0 <= largest < MIN_MESSAGE_BYTES:
        yield Misfit("max_msg_size", largest, f"{MIN_MESSAGE_BYTES} or more", "messages don't fit")
