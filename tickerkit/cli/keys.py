"""Keys: which are pressed on the terminal, without Enter, while a command runs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

__all__ = ["read_key"]

NAMES = {
    b" ": "space",
    b"\x1b[C": "right",
    b"\x1bOC": "right",
    b"\x1b[D": "left",
    b"\x1bOD": "left",
}
WINDOWS = {" ": "space", "\xe0M": "right", "\xe0K": "left", "\0M": "right", "\0K": "left"}


@contextlib.contextmanager
def read_key() -> Iterator[Callable[[], list[str]] | None]:
    """Give a function that returns the keys pressed since: "space", "left", "right".

    None where stdin is no terminal, or another program has it. Left, the terminal is as it was.
    """
    if sys.platform == "win32":
        yield _on_windows if sys.stdin is not None and sys.stdin.isatty() else None
        return
    import select
    import termios
    import tty

    try:
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        if os.tcgetpgrp(fd) != os.getpgrp():  # in the background, where a change would stop it
            raise OSError
    except (OSError, ValueError, AttributeError, termios.error):
        yield None
        return

    def keys() -> list[str]:
        data = b""
        with contextlib.suppress(OSError):  # the terminal is gone
            while select.select([fd], [], [], 0)[0] and (more := os.read(fd, 1024)):
                data += more
        return list(_named(data))

    tty.setcbreak(fd)
    try:
        yield keys
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _named(data: bytes) -> Iterator[str]:
    while data:
        found = next((code for code in NAMES if data.startswith(code)), data[:1])
        if found in NAMES:
            yield NAMES[found]
        data = data[len(found) :]


def _on_windows() -> list[str]:
    keys: list[str] = []
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            key = msvcrt.getwch()
            key += msvcrt.getwch() if key in "\0\xe0" else ""
            keys.append(WINDOWS.get(key, ""))
    return [key for key in keys if key]
