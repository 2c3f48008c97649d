"""HidesKeys: keeps keys out of the log of httpx, which has the address of each request."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from urllib.parse import unquote, unquote_plus

__all__ = ["HidesKeys"]

httpx_logger = logging.getLogger("httpx")


class HidesKeys(logging.Filter):
    """Leaves out messages of httpx that have a key, inside `with`.

    Args:
        keys: the keys.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__()
        self._keys = {spelling for key in keys if key for spelling in (key, unquote(key))}

    def __enter__(self) -> HidesKeys:
        httpx_logger.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        httpx_logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a message."""
        text = record.getMessage() if self._keys else ""
        # An address has a key such as "a+b=" as "a%2Bb%3D".
        texts = (text, unquote(text), unquote_plus(text))
        return not any(key in each for key in self._keys for each in texts)
