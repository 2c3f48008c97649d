"""Forking: a selector whose descriptors a forked child can give up without closing its parent's."""

from __future__ import annotations

import contextlib
import os
import selectors
from typing import Any

__all__ = ["ForkSelector"]


class ForkSelector(selectors.DefaultSelector):
    """A selector that can let go, in a forked child, of all that its loop has to do with.

    It knows each descriptor that was ever registered, by number and inode: one that is not
    registered just now (a reader that pauses) is shared with the parent as well, and a number that
    is some other file's by now is left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[int, int]] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._known[fd] = _identity(fd)
        return super().register(fileobj, events, data)

    def give_up(self) -> None:
        """Put /dev/null in the place of each descriptor, which leaves the parent's as they are.

        Closed numbers would be given to other files, which the child's stale sockets would then
        close; and what is unregistered from an epoll is so for the parent too.
        """
        null = os.open(os.devnull, os.O_RDWR)
        for fd, identity in self._known.items():
            with contextlib.suppress(OSError):  # closed meanwhile
                if _identity(fd) == identity:
                    os.dup2(null, fd, inheritable=False)
        with contextlib.suppress(AttributeError, ValueError):  # has none, or is closed
            os.dup2(null, self.fileno(), inheritable=False)
        os.close(null)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
