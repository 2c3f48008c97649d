"""Units: those that a source gives are shown wherever its columns are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from desk_receiver import DeskReceiver

import tickerkit as tk
from tickerkit.cli.quote_table import format_quote_table
from tickerkit.cli.quotes import QuoteReader
from tickerkit.cli.watch import _format_price
from tickerkit.errors import FieldMapError, InvalidArgument
from tickerkit.fieldmaps import parse_fields
from tickerkit.limits import MAX_COLUMNS, MAX_UNIT_LENGTH
from tickerkit.protocol import Client
from tickerkit.protocol.messages import Hello, encode

Until = Callable[..., None]
UNITS = {"temperature": "°C", "humidity": "%"}
SENSORS = [{"symbol": "kitchen", "temperature": 21.5, "humidity": 40}]


def measure() -> list[dict[str, Any]]:
    """Return readings."""
    return SENSORS


def test_feed_knows_the_units_of_its_server() -> None:
    """They come with the first message; `latest` has them beside its columns."""
    source = tk.poll(measure, every=10, units=UNITS)
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(1)
        assert feed.units == server.log.units == UNITS
        assert feed.latest().attrs["units"] == UNITS


def test_simulated_sensors_have_units() -> None:
    """A fridge is measured in °C."""
    source = tk.simulate_sensors("fridge", seed=1)
    assert source.units == {"temperature": "°C", "humidity": "%", "battery": "%"}


def test_map_gives_units() -> None:
    """Of several tables, those of all; a column has one unit."""
    table = {"symbol": "s", "t": "t", "units": {"t": "°C"}}
    other = {"symbol": "s", "h": "h", "units": {"h": "%"}}
    assert parse_fields([table, other]).units == {"t": "°C", "h": "%"}
    source = tk.websocket("ws://127.0.0.1:1/", fields=table)
    assert source.units == {"t": "°C"}
    with tk.connect("ws://127.0.0.1:1/", fields=table) as feed:
        assert feed.units == {"t": "°C"}
        assert feed.fields == table
    with pytest.raises(FieldMapError, match=r"units\.t='K' is its second unit"):
        parse_fields([table, {**table, "units": {"t": "K"}}])


WRONG = [
    ({"units": "°C"}, "units"),
    ({"units": {"tt": "°C"}}, "units.tt"),
    ({"units": {"t": 5}}, "units.t"),
    ({"units": {"t": ""}}, "units.t"),
    ({"units": {"t": "a\nb"}}, "units.t"),
    ({"units": {"t": "x" * (MAX_UNIT_LENGTH + 1)}}, "units.t"),
]


@pytest.mark.parametrize(("more", "key"), WRONG)
def test_invalid_unit_is_refused(more: dict[str, Any], key: str) -> None:
    """The error names the entry; so does the error of a unit for a column that the map lacks."""
    with pytest.raises(FieldMapError) as caught:
        parse_fields({"symbol": "s", "t": "t", **more})
    assert caught.value.key == key


def test_source_with_wrong_units_is_refused() -> None:
    """Before the server listens."""

    class Odd(tk.Source):
        units = {"t": "\x1b[31m"}  # noqa: RUF012

        async def run(self, out: tk.Outlet) -> None:
            pytest.fail("runs")

    with pytest.raises(InvalidArgument, match="units"):
        tk.serve(Odd(), port=0)


def test_client_takes_only_units_that_can_be_shown() -> None:
    """A hostile server can't fill the memory, or write to the terminal."""
    client = Client()
    long = "x" * (MAX_UNIT_LENGTH + 1)
    units = {"t": "°C", "a": "\x1b[31m", "b": long, "n" * 65: "m", "": "m"}
    many = {f"c{number}": "m" for number in range(2 * MAX_COLUMNS)}
    client.receive(encode(Hello("e", 1, 1, [], {}, units={**units, **many})))
    assert client.units.pop("t") == "°C"
    assert set(client.units.values()) == {"m"}
    assert len(client.units) == MAX_COLUMNS - 1
    hello = client.current_hello()
    assert hello is not None
    assert len(json.loads(hello)["units"]) == MAX_COLUMNS - 1
    client.receive(encode(Hello("e", 1, 1, [], {})))
    assert client.units == {}


@pytest.fixture
def rooms() -> Any:
    """Return a feed of sensors, with units."""
    with (
        tk.serve(tk.poll(measure, units=UNITS), port=0) as server,
        tk.connect(server.url) as feed,
    ):
        yield feed.wait(1)


def test_chart_names_the_unit(rooms: tk.Feed, until: Until) -> None:
    """On the axis, and behind each value that a pointer or a line's end shows."""
    figure = rooms.chart(y="temperature")
    until(lambda: figure.layout.yaxis.title.text == "temperature (°C)")
    assert figure.layout.yaxis.ticksuffix == " °C"
    assert figure.layout.yaxis.showticksuffix == "last"
    candles = rooms.chart("candles", y="humidity")
    until(lambda: candles.layout.yaxis.title.text == "humidity (%)")
    assert candles.layout.yaxis.ticksuffix == " %"
    figure.close()
    candles.close()


def test_tables_name_the_unit(rooms: tk.Feed, until: Until) -> None:
    """In the head of the column; beside a value that has no column of its own."""
    board = rooms.dashboard()
    page = DeskReceiver(board)
    until(lambda: page.show("kitchen", "last", "unit") == (21.5, "°C"))
    expected = [{"column": "humidity", "label": "humidity", "unit": "%"}]
    until(lambda: board._menu["others"] == expected)
    board.close()
    quotes = QuoteReader(rooms).read()
    table = format_quote_table(quotes, rooms.units, width=100)
    headers = [str(column.header) for column in table.columns]
    assert headers[1:3] == ["temperature (°C)", "humidity (%)"]
    assert _format_price(quotes[0], rooms.units) == "kitchen temperature 21.5 °C humidity 40 %"
