"""HidesKeys: keeps keys out of the log of httpx, which has the address of each request."""

from __future__ import annotations

import logging
from collections.abc import Iterable

__all__ = ["HidesKeys"]

httpx_logger = logging.getLogger("httpx")


class HidesKeys(logging.Filter):
    """Leaves out messages of httpx that have a key, inside `with`.

    Args:
        keys: the keys.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__()
        self._keys = [key for key in keys if key]

    def __enter__(self) -> HidesKeys:
        httpx_logger.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        httpx_logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a message."""
        text = record.getMessage() if self._keys else ""
        return not any(key in text for key in self._keys)
