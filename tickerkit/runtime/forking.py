"""Forking: hooks around a fork, and a selector whose descriptors a child can release.

Notebooks fork: `multiprocessing` on Linux does, and so do some libraries. A forked child has the
parent's memory but only the thread that forked. It would wait forever for tickerkit's threads, and
its copies of the parent's sockets would keep a port taken and connections open for as long as it
lives. So each module that holds such state resets it in the child through `on_fork`, and the child
then uses tickerkit like any new process. The parent's servers and feeds are not disturbed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Callable
from typing import Any

__all__ = ["ForkSelector", "on_fork"]


def on_fork(
    *,
    before: Callable[[], object] | None = None,
    in_parent: Callable[[], object] | None = None,
    in_child: Callable[[], object] | None = None,
) -> None:
    """Register functions to call around each fork; does nothing if the system has no fork.

    Functions before a fork run in reverse order of registration, those after it in order. They must
    not wait for another thread, which the child does not have.

    Args:
        before: called in the parent before the fork.
        in_parent: called in the parent after it.
        in_child: called in the child.
    """
    if not hasattr(os, "register_at_fork"):
        return
    hooks = {"before": before, "after_in_parent": in_parent, "after_in_child": in_child}
    os.register_at_fork(**{name: hook for name, hook in hooks.items() if hook is not None})


class ForkSelector(selectors.DefaultSelector):
    """A selector that can release, in a forked child, every descriptor of its event loop.

    It remembers each descriptor that was ever registered, because the child also shares those that
    are not registered at the moment of the fork, such as that of a transport that pauses reading.
    It remembers the inode too: a number that belongs to another file by now must be left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, tuple[int, int]] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._known[fd] = _identify(fd)
        return super().register(fileobj, events, data)

    def release_after_fork(self) -> None:
        """Replace each descriptor by /dev/null, which leaves the parent's untouched.

        Closing them is not enough: the numbers would be given to new files, which the child's
        copies of the old socket objects would then close. Unregistering is wrong: an epoll is
        shared, so it would unregister the parent's descriptors too.
        """
        null = os.open(os.devnull, os.O_RDWR)
        for fd, identity in self._known.items():
            with contextlib.suppress(OSError):  # closed before the fork
                if _identify(fd) == identity:
                    os.dup2(null, fd, inheritable=False)
        # A selector of another kind has no descriptor; a closed one has an invalid one.
        with contextlib.suppress(AttributeError, ValueError):
            os.dup2(null, self.fileno(), inheritable=False)
        os.close(null)


def _identify(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
