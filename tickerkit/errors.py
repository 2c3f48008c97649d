"""Errors: everything that tickerkit raises on purpose, by whose fault it is.

    TickerkitError
    ├── BadTick             (ValueError)        input: it is not a tick
    ├── ProtocolError                           peer: it broke the wire protocol
    ├── PortTaken           (OSError)           machine: another program listens on the port
    ├── SourceError         (ValueError)        caller: the value can't be used as a source
    ├── InvalidArgument     (ValueError)        caller: the argument doesn't accept the value
    ├── FeedFailed          (ConnectionError)   address: the peer refuses, also after a retry
    ├── ServerFailed        (ConnectionError)   server's own process: it died or hangs
    ├── WaitTimeout         (TimeoutError)      nobody: the ticks did not come in time
    ├── Stopped             (RuntimeError)      caller: it used an object after stopping it
    ├── RecordingError      (ValueError)        file: it is damaged, or not a recording
    ├── RecordingExists     (FileExistsError)   caller: the file exists already
    └── PortalError         (RuntimeError)      caller: a blocking call that would deadlock

The text of an error says what happened and then what to do; its attributes hold the same facts,
for code. Each error is also the built-in one that fits, so code that doesn't know tickerkit can
catch it. Each can be pickled; an attribute other than a number, text or path becomes its repr.

A damaged recording is not an error: `RecordingWarning` lists what is lost, the rest is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tickerkit.formatting import format_value

__all__ = [
    "BadTick",
    "FeedFailed",
    "InvalidArgument",
    "PortTaken",
    "PortalError",
    "ProtocolError",
    "RecordingError",
    "RecordingExists",
    "RecordingWarning",
    "ServerFailed",
    "SourceError",
    "Stopped",
    "TickerkitError",
    "WaitTimeout",
]


class TickerkitError(Exception):
    """Base class of every error that tickerkit raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # By default, unpickling calls the class with the error's text, which is not its arguments.
        # Attributes may hold any object of a user, also one that can't be pickled. The exact type
        # is compared, since the class of an enum's member may be unknown to the other process.
        plain = (str, int, float, bool, bytes, type(Path()), type(None))
        state = {
            name: value if type(value) in plain else format_value(value)
            for name, value in vars(self).items()
            if name != "__notes__"
        }
        return _restore, (type(self), self.args, state)


def _restore(kind: type[TickerkitError], args: Any, state: dict[str, Any]) -> TickerkitError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error


class BadTick(TickerkitError, ValueError):
    """A message, or a field of it, is not a tick.

    Attributes:
        field: name of the field, or `"message"` for the whole message.
        value: the value of the field.
        problem: what is wrong with the value.
        fix: what to send instead.
    """

    def __init__(self, field: str, value: object, problem: str, fix: str) -> None:
        self.field = field
        self.value = value
        self.problem = problem
        self.fix = fix
        # The peer chose the name, which may contain line breaks or change the writing direction.
        name = field if field.isprintable() else format_value(field)
        super().__init__(f"{name} {problem}: {format_value(value)}; {fix}")


class ProtocolError(TickerkitError):
    """The peer broke the wire protocol, so the connection is closed.

    Attributes:
        close_code: the close code that is sent to the peer (RFC 6455, section 7.4.1).
        problem: what the peer did.
        final: whether the peer would do the same on a new connection.
    """

    def __init__(self, close_code: int, problem: str, *, final: bool = False) -> None:
        self.close_code = close_code
        self.problem = problem
        self.final = final
        super().__init__(f"the peer broke the protocol ({close_code}): {problem}")


class PortTaken(TickerkitError, OSError):
    """Another program listens on the port.

    Attributes:
        host: the requested address.
        port: the requested port.
        holder: name of the program that listens there; None where the system doesn't tell.
        problem: what happened, as a sentence.
        fix: what to do.
    """

    def __init__(self, host: str, port: int, holder: str | None = None) -> None:
        self.host = host
        self.port = port
        self.holder = holder
        self.problem = f"port {port} of {host} is taken by {holder or 'another program'}"
        self.fix = "stop it, or pass port=0 for a free port"
        super().__init__(f"{self.problem}; {self.fix}")


class SourceError(TickerkitError, ValueError):
    """A value can't be used as a source of ticks, or as an argument of a source.

    Attributes:
        source: the value.
        problem: why it can't be used.
        argument: name of the argument; empty for the source itself.
        fix: what to pass instead; empty where `problem` says it.
    """

    def __init__(self, source: object, problem: str, argument: str = "", fix: str = "") -> None:
        self.source = source
        self.problem = problem
        self.argument = argument
        self.fix = fix
        value = format_value(source)
        what = (
            f"Invalid {argument}={value};" if argument else f"{value} can't be a source of ticks:"
        )
        super().__init__("; ".join(filter(None, (f"{what} {problem}", fix))))


class InvalidArgument(TickerkitError, ValueError):
    """A function was called with a value that it doesn't accept.

    Attributes:
        argument: name of the argument.
        value: the value.
        expected: the accepted values, in words.

    Example:
        >>> raise InvalidArgument("mode", "x", "'new' or 'append'")
        InvalidArgument: Invalid mode='x'; expected 'new' or 'append'
    """

    def __init__(self, argument: str, value: object, expected: str) -> None:
        self.argument = argument
        self.value = value
        self.expected = expected
        super().__init__(f"Invalid {argument}={format_value(value)}; expected {expected}")


class FeedFailed(TickerkitError, ConnectionError):
    """The peer refused the feed's connection, and would refuse it again.

    Attributes:
        url: the address, without its token.
        reason: why the peer refused.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"the feed from {url} failed: {reason}")


class ServerFailed(TickerkitError, ConnectionError):
    """The process of a server (`serve(process=True)`) died, or does not answer.

    Attributes:
        reason: what happened to the process.
        fix: what to do.
    """

    def __init__(self, reason: str, fix: str = "call tk.serve again") -> None:
        self.reason = reason
        self.fix = fix
        super().__init__(f"the server's process {reason}; {fix}")


class WaitTimeout(TickerkitError, TimeoutError):
    """Fewer ticks than requested came before the timeout.

    Attributes:
        wanted: number of ticks that were requested.
        came: number of ticks that came.
        timeout_s: the timeout.
        doing: what the feed was doing at the timeout.
    """

    def __init__(self, wanted: int, came: int, timeout_s: float, doing: str) -> None:
        self.wanted = wanted
        self.came = came
        self.timeout_s = timeout_s
        self.doing = doing
        super().__init__(f"{came} of {wanted} ticks came in {timeout_s:g} s; the feed is {doing}")


class Stopped(TickerkitError, RuntimeError):
    """An object was used after it was stopped.

    Attributes:
        what: the kind of object.
        fix: what to do.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"the {what} is stopped; {fix}")


class RecordingError(TickerkitError, ValueError):
    """A file is damaged, is not a recording, or can't be appended to.

    Attributes:
        path: the file.
        problem: what is wrong with it.
    """

    def __init__(self, path: str | Path, problem: str, verb: str = "read as ticks") -> None:
        self.path = Path(path)
        self.problem = problem
        super().__init__(f"{path} can't be {verb}: {problem}")


class RecordingExists(TickerkitError, FileExistsError):
    """The file exists, and the mode forbids overwriting it.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        super().__init__(f'{path} exists; pass mode="append" or mode="overwrite", or another path')


class RecordingWarning(UserWarning):
    """A recording is damaged; all that makes sense was returned.

    Attributes:
        path: the file.
        rows: how many rows were returned.
        torn_bytes: of a last line that was cut off, as by a crash.
        lines: numbers of lines that make no sense and are left out.
        holes: stretches that can't be unpacked: the line after each, and its bytes in the file.
        changed: first and last row of stretches in which something is not as it was written.
        cut: whether the end of a compressed file was cut off.
        missing: how many rows at the end were written and are not there.
        unfinished: the file beside it from which the newest rows are, of a Parquet file that is
            being recorded, or never was finished.
        problems: each of these in words.
    """

    def __init__(
        self,
        path: str | Path,
        rows: int,
        *,
        torn_bytes: int = 0,
        lines: Sequence[int] = (),
        holes: Sequence[tuple[int, int, int]] = (),
        changed: Sequence[tuple[int, int]] = (),
        cut: bool = False,
        missing: int = 0,
        unfinished: str = "",
    ) -> None:
        self.path, self.rows = Path(path), rows
        self.torn_bytes, self.lines, self.holes = torn_bytes, list(lines), list(holes)
        self.changed, self.cut, self.missing = list(changed), cut, missing
        self.unfinished = unfinished
        self.problems: list[str] = []
        if lines:
            names = _some([f"{line:,}" for line in lines])
            what = f"line {names} makes" if len(lines) == 1 else f"lines {names} make"
            self.problems.append(
                f"{what} no sense and {'is' if len(lines) == 1 else 'are'} left out"
            )
        for line, start, stop in holes:
            where = f"before line {line:,}, bytes {start:,} to {stop:,} of the file"
            self.problems.append(f"{where} can't be unpacked and are left out")
        if changed:
            names = _some([f"{first:,} to {last:,}" for first, last in changed])
            self.problems.append(f"in rows {names} something is not as it was written")
        if torn_bytes:
            told = f"the {torn_bytes:,} bytes after row {rows:,} are left out"
            self.problems.append(f"it ends in a torn line: {told}")
        elif cut:
            self.problems.append("its end was cut off")
        if missing:
            self.problems.append(f"{missing:,} rows that were written are missing at its end")
        is_damaged = "is damaged" if self.problems else "is not finished"
        if unfinished:
            self.problems.append(f"the newest rows stand in {unfinished}, and were read from there")
        super().__init__(f"{path} {is_damaged}: {'; '.join(self.problems)}")


def _some(names: list[str]) -> str:
    """Return a list in words, the first twenty."""
    if len(names) > 20:
        return f"{', '.join(names[:20])} and {len(names) - 20:,} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


class PortalError(TickerkitError, RuntimeError):
    """A blocking call was made on the background thread, which would have to answer it."""
