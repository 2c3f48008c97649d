"""Saving: writes a preset and the state of a venue as JSON, from which another venue continues."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from tickerkit.presets.preset import Preset
from tickerkit.ticks import Batch, Text

__all__ = ["Saver", "write_preset"]

LIMITS = (
    *("ping_every_s", "silent_s", "life_s", "messages_per_s", "symbols_per_socket"),
    "connects_per_minute",
)

MAX_ITEM_BYTES = 8
# What marks a value that JSON does not have.
KIND, VALUE = "~", "value"
CONTAINERS: Mapping[str, Any] = {each.__name__: each for each in (tuple, set, frozenset, deque)}


class Saver:
    """Converts objects to values of JSON, and back.

    Args:
        classes: the classes of the objects; those of Python, numpy and batches are known.
    """

    def __init__(self, classes: Sequence[type]) -> None:
        self._classes: dict[str, Any] = {
            each.__name__: each for each in (*classes, dict, Batch, Text)
        }

    def save(self, value: Any) -> Any:
        """Return a value as values of JSON.

        Raises:
            TypeError: it is of a class that is not known.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else _mark("float", str(value))
        if type(value) is list:
            return [self.save(each) for each in value]
        if isinstance(value, np.ndarray):
            kind, items = value.dtype.name, value.tolist()
            return _mark("array", [kind, [None if each != each else each for each in items]])
        name = type(value).__name__
        if isinstance(value, dict):
            pairs = [[self.save(key), self.save(each)] for key, each in value.items()]
            return _mark(name, pairs)
        if name in CONTAINERS:
            return _mark(name, [self.save(each) for each in value])
        if type(value) is not self._classes.get(name):
            raise TypeError(name)
        if isinstance(value, tuple):
            return _mark(name, [self.save(each) for each in value])
        return _mark(name, {key: self.save(each) for key, each in _state_of(value).items()})

    def restore(self, saved: Any) -> Any:
        """Return the value that `save` was called with.

        Raises:
            Exception: `saved` is not a result of `save`.
        """
        if isinstance(saved, list):
            return [self.restore(each) for each in saved]
        if not isinstance(saved, dict):
            return saved
        kind, value = saved[KIND], saved[VALUE]
        if kind == "float":
            return float(value)
        if kind == "array":
            dtype = np.dtype(value[0])
            if dtype.itemsize > MAX_ITEM_BYTES:  # of a text, it may be gigabytes
                raise TypeError(value[0])
            return np.array(value[1], dtype=dtype)
        if kind in CONTAINERS:
            return CONTAINERS[kind](self.restore(each) for each in value)
        made: Any = self._classes[kind]
        if issubclass(made, dict):
            return made((self.restore(key), self.restore(each)) for key, each in value)
        if isinstance(value, list):
            return made(*map(self.restore, value))
        attributes = {key: self.restore(each) for key, each in value.items()}
        if hasattr(made, "__dataclass_fields__"):
            return made(**attributes)
        result = made.__new__(made)
        vars(result).update(attributes)
        return result


def _mark(kind: str, value: Any) -> dict[str, Any]:
    return {KIND: kind, VALUE: value}


def _state_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object."""
    if isinstance(value, Batch):
        # The errors of refused rows are not saved: they were reported.
        return {
            each.name: [] if each.name == "errors" else getattr(value, each.name)
            for each in fields(value)
        }
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    return dict(vars(value))


def write_preset(preset: Preset) -> dict[str, Any]:
    """Return the table that `parse_preset` reads as this preset.

    The limits of its sockets are the current ones; everything else is as in its file.
    """
    sockets = []
    for given, socket in zip(preset.table["socket"], preset.sockets, strict=True):
        limits = {name: getattr(socket, name) for name in LIMITS}
        kept = {name: value for name, value in given.items() if name not in LIMITS}
        known = {name: value for name, value in limits.items() if value is not None}
        sockets.append({**kept, **known})
    return {**preset.table, "socket": sockets}
