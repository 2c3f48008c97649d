"""messages: the kernel's table of messages is the page's."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from message_tables import MessageTables

from tickerkit.chart import messages
from tickerkit.chart.figure.compatibility import MESSAGES

CHART = resources.files("tickerkit.chart")
TABLES = MessageTables(messages)


def test_both_tables_have_the_same_messages() -> None:
    """Each message of the kernel's table is in the page's, and the other way round."""
    TABLES.check_names()


@pytest.mark.parametrize("name", TABLES.dicts)
def test_a_message_has_the_same_fields_on_both_sides(name: str) -> None:
    """Fields, their types, and which of them may be left out are the same."""
    TABLES.check_fields(name)


@pytest.mark.parametrize("name", TABLES.unions)
def test_the_same_messages_travel_together(name: str) -> None:
    """Which messages a widget sends, and which a page, is the same on both sides."""
    TABLES.check_union(name)


def test_the_page_applies_each_of_plotlys_messages() -> None:
    """There is a way to apply each message that plotly's FigureWidget sends."""
    source = (CHART / "figure" / "figure_messages.js").read_text("utf-8")
    table = source.partition("export const APPLY = {")[2].partition("\n};")[0]
    applied = re.findall(r"^  (\w+): ", table, re.M)
    assert {f"_py2js_{name}" for name in applied} == {
        name for name in MESSAGES if name.startswith("_py2js_")
    }
