"""Time axes: show times in one zone, and label the axes with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from tickerkit.chart.figure.given_times import DATE
from tickerkit.errors import InvalidArgument
from tickerkit.ticks import Array
from tickerkit.validation import check_text

__all__ = ["TimeAxes"]

ZONES = "'UTC' or a name such as 'America/New_York'"
LABEL_SIZE = 11
# Space between the tick labels and the title; plotly's default leaves a line free.
STANDOFF = 4


class TimeAxes:
    """Converts times from UTC to the local time of a zone, and labels a figure's axes with it.

    plotly's date axes have no zones, so plotly is given local times. In the night when clocks go
    back, an hour occurs twice on such an axis; the label then shows when the clocks changed.

    Args:
        zone: name of the zone, such as "America/New_York".

    Attributes:
        zone: as given.
        label: the text for the axes.
        label_changed: whether `label` is newer than the last `layout_changes`.

    Raises:
        ValueError: if there is no such zone.
    """

    def __init__(self, zone: str) -> None:
        check_text("tz", zone, ZONES)
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidArgument("tz", zone, ZONES) from error
        self.zone = zone
        self.label = zone
        self.label_changed = False
        # All labels so far: an axis with any other title was titled by the user, and keeps it.
        self._labels = {zone}
        self._offset: np.timedelta64 | None = None

    def to_local(self, times: Array) -> Array:
        """Return UTC times, datetime64[ns] of shape (n,), as local times of the same shape."""
        if self.zone == "UTC" or not len(times):
            return times
        local = self.convert(times)
        offset = local[-1] - times[-1]
        if self._offset is not None and offset != self._offset:
            changed_at = times[np.argmax(local - times == offset)]
            moment = np.datetime_as_string(changed_at, unit="m").replace("T", " ")
            change = "forward" if offset > self._offset else "back: an hour comes twice"
            self._set_label(f"{self.zone} (clocks went {change}, {moment} UTC)")
        self._offset = offset
        return local

    def convert(self, times: Array) -> Array:
        """Return UTC times, datetime64 of any shape, as local times; the label stays as it is.

        Dates, datetime64[D], are no moments: they stay.
        """
        if self.zone == "UTC" or not times.size or times.dtype == DATE:
            return times
        index = pd.DatetimeIndex(times.ravel()).tz_localize("UTC").tz_convert(self._zone)
        local: Array = index.tz_localize(None).to_numpy().reshape(times.shape)
        return local

    def convert_back(self, local: Array) -> Array:
        """Return local times, datetime64 of shape (n,), in UTC.

        Of an hour that comes twice, the first is meant.
        """
        index = pd.DatetimeIndex(local).tz_localize(
            self._zone, ambiguous=np.ones(len(local), dtype=bool), nonexistent="shift_forward"
        )
        times: Array = index.tz_convert("UTC").tz_localize(None).to_numpy()
        return times

    def to_utc(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Return the range in UTC between two local times.

        If a local time occurs twice, the range is the longer one: it begins at the first
        occurrence and ends at the second.
        """
        local = pd.DatetimeIndex([start, end]).tz_localize(
            self._zone, ambiguous=np.array([True, False]), nonexistent="shift_forward"
        )
        first, last = local.tz_convert("UTC")
        return first, last

    def layout_changes(
        self, traces: Iterable[Mapping[str, Any]], layout: Mapping[str, Any], *, is_live: bool
    ) -> dict[str, Any]:
        """Return the layout changes that label the x axes of traces, and declare them date axes.

        Titles and types that the user has set stay. Axes without tick labels get no title.

        Args:
            traces: properties of the traces whose x values are times.
            layout: properties of the figure's layout.
            is_live: whether the times are sent as numbers, so that the axes must be declared.
        """
        changes: dict[str, Any] = {}
        for props in traces:
            name = "xaxis" + props.get("xaxis", "x")[1:]
            axis = layout.get(name, {})
            title = axis.get("title", {}).get("text")
            if is_live and "type" not in axis:
                changes[f"{name}_type"] = "date"
            is_ours = title is None or title in self._labels
            if is_ours and title != self.label and axis.get("showticklabels", True):
                changes[f"{name}_title"] = {
                    "text": self.label,
                    "font": {"size": LABEL_SIZE},
                    "standoff": STANDOFF,
                }
        self.label_changed = False
        return changes

    def _set_label(self, label: str) -> None:
        self.label = label
        self._labels.add(label)
        self.label_changed = True
