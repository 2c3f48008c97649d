"""messages: the kernel's table of a ladder's messages is the page's."""

from __future__ import annotations

import pytest
from message_tables import MessageTables

from tickerkit.chart.book import messages

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
    """Which messages a ladder sends, and which a page, is the same on both sides."""
    TABLES.check_union(name)
