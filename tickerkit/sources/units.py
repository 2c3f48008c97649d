"""check_units: checks the units of columns that a source has or a user passes."""

from __future__ import annotations

from collections.abc import Mapping

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.limits import MAX_UNIT_LENGTH
from tickerkit.ticks.fields import is_unit

__all__ = ["check_units"]


def check_units(units: object) -> dict[str, str]:
    """Return the units of columns.

    Raises:
        InvalidType: they are not a mapping.
        InvalidArgument: one is not short text.
    """
    expected = (
        f'columns with their units, of 1 to {MAX_UNIT_LENGTH} characters, as in {{"cpu": "%"}}'
    )
    if not isinstance(units, Mapping):
        raise InvalidType("units", units, expected)
    for column, unit in units.items():
        if not isinstance(column, str) or not is_unit(unit):
            raise InvalidArgument("units", {column: unit}, expected)
    return dict(units)
