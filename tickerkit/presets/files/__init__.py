"""Presets: the venues that tickerkit knows, each a TOML file of this folder."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices, format_value
from tickerkit.presets.preset import Preset, parse_preset

__all__ = ["list_presets", "load_preset", "read_preset"]


@cache
def list_presets() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    names = (each.name for each in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        InvalidArgument: there is none of this name; the error proposes the nearest.
    """
    if name not in list_presets():
        near = get_close_matches(name, list_presets(), 1)
        expected = format_value(near[0]) if near else format_choices(list_presets())
        raise InvalidArgument("venue", name, expected)
    return parse_preset(tomllib.loads(read_preset(name)))


def read_preset(name: str) -> str:
    """Return the text of a preset's file."""
    return (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
