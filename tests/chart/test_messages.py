"""messages: the kernel's table of messages is the page's."""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from importlib import resources
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import pytest

from tickerkit.chart import messages
from tickerkit.chart.figure.compatibility import MESSAGES

CHART = resources.files("tickerkit.chart")
PAGE = (CHART / "messages.d.ts").read_text("utf-8")
INTERFACES = dict(re.findall(r"^export interface (\w+) \{\n(.*?)^\}", PAGE, re.M | re.S))
UNIONS = dict(re.findall(r"^export type (\w+) = (.*);", PAGE, re.M))
DICTS = {name: each for name, each in vars(messages).items() if is_typeddict(each)}
NAMES = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def in_typescript(annotation: Any) -> str:
    """Return a type as the page's table writes it."""
    if annotation in NAMES:
        return NAMES[annotation]
    if is_typeddict(annotation):
        return str(annotation.__name__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is NotRequired:
        return in_typescript(arguments[0])
    if origin is Literal:
        return " | ".join(f'"{each}"' for each in arguments)
    written = [in_typescript(each) for each in arguments]
    if origin in (Union, types.UnionType):
        return " | ".join(written)
    if origin is dict:
        return f"Record<{', '.join(written)}>"
    if origin in (list, Sequence):
        return f"{written[0]}[]"
    assert origin is tuple, annotation
    return f"[{', '.join(written)}]"


def test_both_tables_have_the_same_messages() -> None:
    """Each message of the kernel's table is in the page's, and the other way round."""
    assert INTERFACES
    assert set(INTERFACES) == set(DICTS)
    assert set(INTERFACES) | set(UNIONS) == set(messages.__all__)


@pytest.mark.parametrize("name", DICTS)
def test_a_message_has_the_same_fields_on_both_sides(name: str) -> None:
    """Fields, their types, and which of them may be left out are the same."""
    fields = re.findall(r"^  (\w+)(\??): (.*);$", INTERFACES[name], re.M)
    hints = get_type_hints(DICTS[name], include_extras=True)
    optional = {field for field, hint in hints.items() if get_origin(hint) is NotRequired}
    assert {field: kind for field, _, kind in fields} == {
        field: in_typescript(hint) for field, hint in hints.items()
    }
    assert {field for field, mark, _ in fields if mark} == optional


@pytest.mark.parametrize("name", UNIONS)
def test_the_same_messages_travel_together(name: str) -> None:
    """Which messages a widget sends, and which a page, is the same on both sides."""
    assert UNIONS[name] == in_typescript(getattr(messages, name))


def test_the_page_applies_each_of_plotlys_messages() -> None:
    """There is a way to apply each message that plotly's FigureWidget sends."""
    source = (CHART / "figure" / "figure_messages.js").read_text("utf-8")
    table = source.partition("export const APPLY = {")[2].partition("\n};")[0]
    applied = re.findall(r"^  (\w+): ", table, re.M)
    assert {f"_py2js_{name}" for name in applied} == {
        name for name in MESSAGES if name.startswith("_py2js_")
    }
