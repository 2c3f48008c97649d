"""Errors: every error that tickerkit raises on purpose, and where its cause lies.

    TickerkitError
    ├── BadTick             (ValueError)        input: it is not a tick
    ├── ProtocolError                           peer: it broke the wire protocol
    ├── PortTaken           (OSError)           machine: another program listens on the port
    ├── SourceError         (ValueError)        caller: the value can't be used as a source
    ├── FieldMapError       (ValueError)        caller: an entry of a field map is wrong
    ├── InvalidArgument     (ValueError)        caller: the argument doesn't accept the value
    ├── InvalidType         (TypeError)         caller: the argument doesn't accept the type
    ├── FeedFailed          (ConnectionError)   address: the peer refuses, or does not answer
    ├── ServerFailed        (ConnectionError)   server's own process: it died or hangs
    ├── StreamError         (ConnectionError)   broker: its stream can't be read or written
    ├── WaitTimeout         (TimeoutError)      timing: the ticks did not come in time
    ├── Stopped             (RuntimeError)      caller: it used an object after stopping it
    ├── RecordingError      (ValueError)        file: it is damaged, or not a recording
    ├── RecordingExists     (FileExistsError)   caller: the file exists already
    └── PortalError         (RuntimeError)      caller: a blocking call that would deadlock

The text of an error says what happened and then what to do; its attributes hold the same facts,
for code. Each error also inherits from a built-in error, so code that doesn't know tickerkit can
catch it. Each can be pickled; an attribute other than a number, text or path becomes its repr.

A damaged recording is not an error: `RecordingWarning` lists what is lost, the rest is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tickerkit.formatting import format_value

__all__ = [
    "BadTick",
    "FeedFailed",
    "FieldMapError",
    "InvalidArgument",
    "InvalidType",
    "PortTaken",
    "PortalError",
    "ProtocolError",
    "RecordingError",
    "RecordingExists",
    "RecordingWarning",
    "ServerFailed",
    "SourceError",
    "Stopped",
    "StreamError",
    "TickerkitError",
    "WaitTimeout",
]

MAX_PLACES = 1000
# The kinds of problems by which nothing is lost that was in the file.
HARMLESS = ("unfinished", "no sidecar")
MAX_PLACES_NAMED = 20


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
        holder: name of the program that listens there; None if the system doesn't report it.
        argument: the argument that the port was given by.
        problem: what happened, as a sentence.
        fix: what to do.
    """

    def __init__(
        self, host: str, port: int, holder: str | None = None, argument: str = "port"
    ) -> None:
        self.host = host
        self.port = port
        self.holder = holder
        self.argument = argument
        self.problem = f"port {port} of {host} is taken by {holder or 'another program'}"
        self.fix = f"stop it, or pass {argument}=0 for a free port"
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


class FieldMapError(TickerkitError, ValueError):
    """A field map has a wrong entry.

    Attributes:
        key: the entry's key, with those around it: `"side.from"`.
        value: the entry's value.
        problem: what is wrong with it.
        fix: what to write instead.
    """

    def __init__(self, key: str, value: object, problem: str, fix: str) -> None:
        self.key = key
        self.value = value
        self.problem = problem
        self.fix = fix
        super().__init__(f"Invalid fields: {key}={format_value(value)} {problem}; {fix}")


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


class InvalidType(InvalidArgument, TypeError):
    """A function was called with a value whose type it doesn't accept.

    It is an `InvalidArgument`, and also a TypeError.
    """


class FeedFailed(TickerkitError, ConnectionError):
    """The peer refused the feed's connection for good, or `retry_for` passed without a connection.

    Attributes:
        url: the address, without its token.
        reason: why there is no connection.
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


class StreamError(TickerkitError, ConnectionError):
    """A stream on a broker could not be reached, read or written.

    Attributes:
        address: the stream, as `nats://host:4222/name`, without secrets.
        problem: what happened.
        fix: what to do; empty if trying again is all there is to do.
        is_final: whether trying again would fail in the same way, as with wrong credentials.
    """

    def __init__(
        self, address: str, problem: str, fix: str = "", *, is_final: bool = False
    ) -> None:
        self.address = address
        self.problem = problem
        self.fix = fix
        self.is_final = is_final
        super().__init__(f"{address}: {problem}{f'; {fix}' if fix else ''}")


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

    def __init__(self, path: str | Path, *, can_append: bool = True) -> None:
        self.path = Path(path)
        append = 'mode="append" or ' if can_append else ""
        super().__init__(f'{path} exists; pass {append}mode="overwrite", or another path')


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is wrong in a recording.

    Attributes:
        first: number of the first line, row, byte or seq, see `Problem.unit`.
        last: number of the last.
        about: what is wrong there.
    """

    first: int
    last: int
    about: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a recording, and all places where it is.

    Attributes:
        kind: "damaged" (lines that can't be read), "torn" (the end is cut off), "changed" (rows
            that aren't as they were written), "undecodable" (parts of a compressed file that can't
            be decompressed), "missing" (rows at the end), "sidecar" (what the recording says about
            itself), "no sidecar" (that is missing), "unfinished" (a Parquet file whose newest rows
            are in another file), "left out" (values that their ticks lack), "order" (a seq that
            goes back within its epoch), "duplicates" (a tick that is there twice) or "unlisted gap"
            (seqs that are missing, and not among the gaps listed).
        unit: what places are numbered by: "line" or "row" of the file, "byte", "seq" or "file".
        count: how many places there are.
        places: the first 1,000 of them.
    """

    kind: str
    unit: str
    count: int
    places: list[Place]

    @classmethod
    def from_ranges(
        cls, kind: str, unit: str, ranges: Collection[Any], about: str | Callable[[int], str]
    ) -> Problem:
        """Return a problem from pairs of first and last numbers; `about` may describe place `i`."""
        places = [
            Place(int(first), int(last), about if isinstance(about, str) else about(i))
            for i, (first, last) in enumerate(islice(ranges, MAX_PLACES))
        ]
        return cls(kind, unit, len(ranges), places)

    def within(self, name: str) -> Problem:
        """Return the problem of a file that is one of several; `name` is that file."""
        places = [replace(place, about=f"{place.about} (of {name})") for place in self.places]
        return replace(self, places=places)

    def __str__(self) -> str:
        about = self.places[0].about
        if self.unit == "file":
            return about
        if any(place.about != about for place in self.places):
            several = [Problem(self.kind, self.unit, 1, [place]) for place in self.places]
            return "; ".join(map(str, several[:MAX_PLACES_NAMED]))
        spans = [
            f"{place.first:,} to {place.last:,}" if place.last > place.first else f"{place.first:,}"
            for place in self.places[:MAX_PLACES_NAMED]
        ]
        if self.count > len(spans):
            spans.append(f"{self.count - len(spans):,} more")
        where = " and ".join(filter(None, [", ".join(spans[:-1]), spans[-1]]))
        is_one = len(spans) == 1 and self.places[0].first == self.places[0].last
        return f"{self.unit}{'' if is_one else 's'} {where}: {about}"


class RecordingWarning(UserWarning):
    """A recording is damaged or incomplete; everything that can be read was returned.

    Attributes:
        path: the file.
        rows: how many rows were returned.
        problems: what is wrong, each a `Problem` whose text is one sentence.
    """

    def __init__(self, path: str | Path, rows: int, problems: Sequence[Problem]) -> None:
        self.path, self.rows, self.problems = Path(path), rows, list(problems)
        state = "is damaged" if self.is_damaged else "is incomplete"
        super().__init__(f"{path} {state}: {'; '.join(map(str, problems))}")

    @property
    def is_damaged(self) -> bool:
        """Whether something is lost. Otherwise only another file of the recording is missing."""
        return any(problem.kind not in HARMLESS for problem in self.problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.rows, self.problems)


class PortalError(TickerkitError, RuntimeError):
    """A blocking call was made on the background thread, which would wait for itself forever."""
