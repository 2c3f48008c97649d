"""Keys: reads key presses from the terminal, without Enter, while a command runs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

__all__ = ["open_keyboard"]

NAMES = {
    b" ": "space",
    b"\x1b[C": "right",
    b"\x1bOC": "right",
    b"\x1b[D": "left",
    b"\x1bOD": "left",
}
WINDOWS_NAMES = {" ": "space", "\xe0M": "right", "\xe0K": "left", "\0M": "right", "\0K": "left"}


@contextlib.contextmanager
def open_keyboard() -> Iterator[Callable[[], list[str]] | None]:
    """Yield a function that returns the new key presses: "space", "left" and "right".

    Yields None if stdin isn't a terminal, or belongs to another program. The terminal's mode is
    restored after the block.
    """
    if sys.platform == "win32":
        yield _read_windows_keys if sys.stdin is not None and sys.stdin.isatty() else None
        return
    import select
    import termios
    import tty

    try:
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        # A change of the terminal's mode would stop a process in the background.
        if os.tcgetpgrp(fd) != os.getpgrp():
            raise OSError
    except (OSError, ValueError, AttributeError, termios.error):
        yield None
        return

    def read_keys() -> list[str]:
        data = b""
        with contextlib.suppress(OSError):  # the terminal was closed
            while select.select([fd], [], [], 0)[0] and (more := os.read(fd, 1024)):
                data += more
        return list(_parse_keys(data))

    tty.setcbreak(fd)
    try:
        yield read_keys
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _parse_keys(data: bytes) -> Iterator[str]:
    while data:
        code = next((code for code in NAMES if data.startswith(code)), data[:1])
        if code in NAMES:
            yield NAMES[code]
        data = data[len(code) :]


def _read_windows_keys() -> list[str]:
    keys: list[str] = []
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            key = msvcrt.getwch()
            key += msvcrt.getwch() if key in "\0\xe0" else ""
            keys.append(WINDOWS_NAMES.get(key, ""))
    return [key for key in keys if key]
