"""Clock: the time zone that a figure shows times in."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from tickerkit.ticks import Array

__all__ = ["Clock"]


class Clock:
    """Turns times in UTC into those that a zone's clocks show, and says which zone.

    plotly's date axes know no zones. On an autumn night an hour comes twice there; so the label
    says when the clocks were changed.

    Attributes:
        name: of the zone.
        label: what to write on an axis.
        labels: all labels there have been, to be known again.
        changed: whether the label is new.
    """

    def __init__(self, name: str) -> None:
        try:
            self._zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
            raise ValueError(
                f"tz={name!r} is no time zone; pass one such as 'America/New_York', or 'UTC'"
            ) from error
        self.name = name
        self.label = name
        self.labels = {name}
        self.changed = False
        self._offset: np.timedelta64 | None = None

    def shown(self, times: Array) -> Array:
        """Return times in UTC, datetime64[ns], as the zone's clocks show them."""
        if self.name == "UTC" or not len(times):
            return times
        index = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(self._zone)
        local: Array = index.tz_localize(None).to_numpy()
        offset = local[-1] - times[-1]
        if self._offset is not None and offset != self._offset:
            moved = times[np.argmax(local - times == offset)]
            clock = np.datetime_as_string(moved, unit="m").replace("T", " ")
            way = "forward" if offset > self._offset else "back: an hour comes twice"
            self._say(f"{self.name} (clocks went {way}, {clock} UTC)")
        self._offset = offset
        return local

    def meant(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return the stretch of time, in UTC, that lies between two times as the clocks show them.

        Of an hour that comes twice both are in it.
        """
        shown = pd.DatetimeIndex([start, end])
        local = shown.tz_localize(
            self._zone, ambiguous=np.array([True, False]), nonexistent="shift_forward"
        )
        first, last = local.tz_convert("UTC")
        return first, last

    def _say(self, label: str) -> None:
        self.label = label
        self.labels.add(label)
        self.changed = True
