"""Path: where in a message a value lies, such as `data[].p`, `/arg.instId` or `bids[0][1]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from msgspec import UNSET

from tickerkit.errors import FieldMapError

__all__ = ["ITEMS", "Path", "Step", "parse_path"]

# The step `[]`: each item of a list. The step `*`: each value of an object.
ITEMS = None
VALUES = "*"
Step: TypeAlias = str | int | None

MAX_STEPS = 16
# A name may have any characters but those with a meaning here; in quotes it may have these, too.
NAME = re.compile(r'"([^"]+)"|([^\s.\[\]"/^:]+)')
INDEX = re.compile(r"\[(\d{0,6})\]")
FIX = 'write it as "data.price", "data[].price", "[1]" or "/arg.instId"'


@dataclass(frozen=True, slots=True)
class Path:
    """A path to a value.

    Attributes:
        text: the path as it was written.
        steps: names of an object's keys, positions in a list (int), and `ITEMS` for each item.
        from_message: whether the path starts at the message (`/`) rather than at the row.
        up: how many of the lists around the row it leaves first (`^`), to start at their item.
    """

    text: str
    steps: tuple[Step, ...]
    from_message: bool = False
    up: int = 0

    def get(self, start: Any) -> Any:
        """Return the value at this path; `UNSET` if the message has no such place.

        Args:
            start: decoded JSON that the steps start from; none of the steps may be `ITEMS`.
        """
        for step in self.steps:
            if isinstance(step, str):
                if type(start) is not dict or (start := start.get(step, UNSET)) is UNSET:
                    return UNSET
            elif step is ITEMS or type(start) is not list or step >= len(start):
                return UNSET
            else:
                start = start[step]
        return start

    def walk(self, message: Any) -> list[tuple[Any, ...]] | None:
        """Return the rows of a message, each after the items of the lists around it.

        Returns:
            For each row a tuple: the message, an item for each outer `[]` of the path, and the row.
            None if the message has nothing at this path.
        """
        chains: list[tuple[Any, ...]] = [(message,)]
        here: list[Any] = [message]
        start = 0
        while ITEMS in self.steps[start:]:
            stop = self.steps.index(ITEMS, start)
            part = Path("", self.steps[start:stop])
            lists = (
                [part.get(place) for place in here]
                if VALUES not in part.steps
                else [_first_list(part, place) for place in here]
            )
            if not any(type(each) is list for each in lists):
                return None
            chains = [
                (*chain, item)
                for chain, each in zip(chains, lists, strict=True)
                if type(each) is list
                for item in each
            ]
            here = [chain[-1] for chain in chains]
            start = stop + 1
            if not chains:
                return []
        rest = Path("", self.steps[start:])
        if not rest.steps:
            return chains
        rows = [(*chain[:-1], rest.get(chain[-1])) for chain in chains]
        return [chain for chain in rows if chain[-1] is not UNSET] or None


def _first_list(path: Path, start: Any) -> Any:
    """Return the first list at a path that has `*`, which stands for any key; `UNSET` for none."""
    at = path.steps.index(VALUES)
    outer = Path("", path.steps[:at]).get(start)
    inner = Path("", path.steps[at + 1 :])
    found = [inner.get(value) for value in outer.values()] if type(outer) is dict else []
    return next((each for each in found if type(each) is list), UNSET)


def parse_path(key: str, text: object, *, is_rows: bool = False) -> Path:
    """Read a path.

    Args:
        key: the entry of the map that has the path, for errors.
        text: the path. Names are joined by points; a name with other characters stands in double
            quotes. `[1]` is a position in a list. `/` in front starts at the message, `^` at the
            item of the list around the row. In a path to rows, `[]` is each item of a list, and
            `*` any key whose value is a list.
        is_rows: whether it is the path to the rows, which starts at the message.

    Raises:
        FieldMapError: `text` is not a path.
    """
    if not isinstance(text, str) or not text:
        raise FieldMapError(key, text, "is not a path", FIX)
    rest = text
    from_message = rest.startswith("/")
    rest = rest.removeprefix("/")
    up = len(rest) - len(rest.lstrip("^"))
    rest = rest[up:]
    steps: list[Step] = []
    while rest:
        if match := INDEX.match(rest):
            steps.append(int(match[1]) if match[1] else ITEMS)
        else:
            if steps:
                if not rest.startswith("."):
                    raise FieldMapError(key, text, "is not a path", FIX)
                rest = rest[1:]
            if (match := NAME.match(rest)) is None:
                raise FieldMapError(key, text, "is not a path", FIX)
            steps.append(match[1] or match[2])
        rest = rest[match.end() :]
    if len(steps) > MAX_STEPS:
        raise FieldMapError(key, text, f"has more than {MAX_STEPS} steps", FIX)
    if is_rows:
        if up:
            raise FieldMapError(key, text, "can't start at a row", 'write it as "data[]"')
    else:
        if ITEMS in steps:
            fix = 'name the list in rows, as in rows="data[]", or a position, as in "bids[0]"'
            raise FieldMapError(key, text, "has []", fix)
        if not steps and not up and not from_message:
            raise FieldMapError(key, text, "is not a path", FIX)
        if up and from_message:
            raise FieldMapError(key, text, "starts at two places", "write / or ^, not both")
    return Path(text, tuple(steps), from_message or is_rows, up)
