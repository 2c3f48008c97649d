"""Parsing: the argument `indicators`, as users pass it, becomes specs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from tickerkit.bars.indicators.catalogue import CATALOGUE, Definition
from tickerkit.bars.indicators.library import LibraryFormula, is_of_library
from tickerkit.bars.indicators.own import Bar, OwnClass, OwnFunction
from tickerkit.bars.indicators.spec import IndicatorSpec
from tickerkit.errors import InvalidArgument, InvalidType

__all__ = ["parse_indicators"]

EXPECTED = (
    "the text of an indicator, such as 'sma(20)', a function of a frame of bars, a class with a "
    "method update(bar), an indicator of talipp, or a list of these"
)
CALL = re.compile(r"\s*([A-Za-z]\w*)\s*(?:\((.*)\))?\s*", re.DOTALL)
# Commas within parentheses are between parameters.
BETWEEN = re.compile(r",(?![^()]*\))")
PANES = ("price", "own")
# The names that a bar has, and those of its index.
TAKEN = Bar._fields


def parse_indicators(given: object) -> tuple[IndicatorSpec, ...]:
    """Return the indicators that a user asked for; one that is asked for twice is returned once.

    Args:
        given: text such as "sma(20)" or "sma(20), rsi(14)"; a function, class or object of one's
            own; a list of these; None or an empty list for none.

    Raises:
        InvalidArgument: there is no indicator of a name, or a parameter is not accepted; the error
            names the nearest, or what is accepted.
        InvalidType: it is something else.
    """
    if given is None:
        return ()
    items: list[object]
    if isinstance(given, str):
        items = list(BETWEEN.split(given))
    elif _is_own(given):
        items = [given]
    elif isinstance(given, Iterable) and not isinstance(given, bytes | bytearray | Mapping):
        items = list(given)
    else:
        raise InvalidType("indicators", given, EXPECTED)
    specs: dict[str, IndicatorSpec] = {}
    for item in items:
        if isinstance(item, str):
            spec = _parse_text(item)
        elif isinstance(item, IndicatorSpec):
            spec = item
        elif _is_own(item):
            known = [each for each in specs.values() if _given(each) is item]
            spec = known[0] if known else _own_spec(item, taken=specs)
        else:
            raise InvalidType("indicators", item, EXPECTED)
        specs.setdefault(spec.text, spec)
    return tuple(specs.values())


# A chart passes the same texts many times a second.
@lru_cache(maxsize=256)
def _parse_text(text: str) -> IndicatorSpec:
    found = CALL.fullmatch(text)
    if found is None:
        raise InvalidArgument("indicators", text, EXPECTED)
    word, arguments = found[1].lower(), found[2]
    definition = CATALOGUE.get(word)
    if definition is None:
        near = get_close_matches(word, CATALOGUE, 1)
        nearest = f" ('{near[0]}' is the nearest)" if near else ""
        names = f"one of {', '.join(CATALOGUE)}{nearest}; tk.indicators() describes them"
        raise InvalidArgument("indicators", text, names)
    return definition.spec(_parse_values(definition, arguments or "", text))


def _parse_values(definition: Definition, arguments: str, text: str) -> tuple[float | str, ...]:
    """Return the values of all parameters, given by place or by name."""
    parameters = definition.parameters
    names = [each.name for each in parameters]
    usage = f"{definition.name}({', '.join(names)})" if names else f"{definition.name} alone"
    values: dict[str, float | str] = {}
    for place, argument in enumerate(arguments.split(",") if arguments.strip() else []):
        key, equals, value = argument.rpartition("=")
        key = key.strip() if equals else (names[place] if place < len(names) else "")
        if key not in names or key in values or not value.strip():
            raise InvalidArgument("indicators", text, usage)
        try:
            values[key] = parameters[names.index(key)].parse(value.strip())
        except InvalidArgument as error:
            raise InvalidArgument("indicators", text, f"{usage}, {error.expected}") from None
    return tuple(values.get(each.name, each.default) for each in parameters)


def _is_own(given: object) -> bool:
    if is_of_library(given):
        return True
    if isinstance(given, IndicatorSpec | Iterable) and not isinstance(given, type):
        return False  # a dict and a Series have a method `update` too
    return callable(given) or callable(getattr(given, "update", None))


def _given(spec: IndicatorSpec) -> object:
    """Return the function, class or object of a user's indicator; None of another."""
    return getattr(spec.formula, "given", None)


def _own_spec(given: Any, taken: Iterable[str]) -> IndicatorSpec:
    """Return the spec of a user's function, class or object; it may say its columns and pane."""
    text = _own_name(given)
    if text in TAKEN:
        expected = f"a name other than those of the bars' columns: {', '.join(TAKEN)}"
        raise InvalidArgument("indicators", text, expected)
    numbered, number = text, 2
    while numbered in taken:
        numbered, number = f"{text} {number}", number + 1
    text = numbered
    words = getattr(given, "columns", ())
    columns = tuple(f"{text} {word}" for word in words) or (text,)
    pane = getattr(given, "pane", "own")
    style = getattr(given, "style", "line")
    formula: OwnClass | OwnFunction | LibraryFormula
    if is_of_library(given):
        formula = LibraryFormula.from_object(given, text)
        columns = formula.columns
    elif callable(getattr(given, "update", None)):
        formula = OwnClass(given, text, columns)
    else:
        formula = OwnFunction(given, text, columns)
    return IndicatorSpec(
        text,
        columns,
        pane if pane in PANES else "own",
        tuple(float(each) for each in getattr(given, "levels", ())),
        {column: style if isinstance(style, str) else "line" for column in columns},
        "",
        formula,
    )


def _own_name(given: Any) -> str:
    """Return the name of a function or class; of an object, that of its class."""
    for each in (getattr(given, "name", None), getattr(given, "__name__", None)):
        if isinstance(each, str) and each:
            return "lambda" if each == "<lambda>" else each
    inner = getattr(given, "func", None)  # of functools.partial
    return type(given).__name__ if inner is None else _own_name(inner)
