"""Preset: a venue as data: its sockets, how one subscribes, its field maps and its limits.

A preset is a TOML file of this folder. Its tables:

    name, title, checked (the date), sources (links), about, quotes (what kind of quote)
    fallback        the preset to use instead if it is proved that trades do not come
    [symbols]       style "upper", "lower" or "as is"; separator; order; prefix; aliases; examples
    [[socket]]      url; limits; ping; begin: what to send and wait for before the subscriptions;
                    planned_end: how it announces its end; ignore: messages without rows;
                    newest: when, symbol, id: messages that name the newest trade
      [[socket.subscribe]]  channels; topic; send; symbols_per_message
      [[socket.ack]]        when; id, symbol, symbols, channels: which subscriptions it confirms
      [[socket.error]]      when; message; the same: which it refuses
      [[socket.reads]]      channel; ids "dense", "unique", "random" or "none"; fields: a field map,
                            with trade_key for ids that are not integers; book: its rows are levels,
                            of a book of some depth; those of channel "quotes" serve "book", too
    [backfill]      base; get; post; headers; fields; by; rows_per_page; requests_per_s; reach
    [keys]          name: the environment variable that it is read from
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tickerkit.errors import BadTick, FieldMapError
from tickerkit.fieldmaps.fields import Condition, FieldMap, Reading, parse_conditions, parse_fields
from tickerkit.fieldmaps.paths import Path, parse_path
from tickerkit.fieldmaps.values import Value, check_keys, parse_value
from tickerkit.formatting import format_choices
from tickerkit.presets.books import LEVEL, WHOLE_BOOK
from tickerkit.ticks.fields import MisfitError

__all__ = [
    "CHANNELS",
    "Answer",
    "Backfill",
    "Preset",
    "Read",
    "Socket",
    "Step",
    "Subscription",
    "SymbolStyle",
    "fill",
    "parse_preset",
]

CHANNELS = ("trades", "quotes", "book")
IDS = ("dense", "unique", "random", "none")
STYLES = ("upper", "lower", "as is")
PRESET_KEYS = (
    *("name", "title", "checked", "sources", "about", "quotes", "symbols", "socket", "backfill"),
    *("keys", "fallback"),
)
SYMBOL_KEYS = ("style", "separator", "long_separator", "order", "prefix", "aliases", "examples")
SOCKET_KEYS = (
    *("url", "begin", "subscribe", "ack", "error", "reads", "newest", "ignore", "planned_end"),
    *("ping", "ping_every_s", "silent_s", "life_s", "messages_per_s", "symbols_per_socket"),
    *("connects_per_minute", "connections"),
)
STEP_KEYS = ("send", "wait_for")
SUBSCRIBE_KEYS = ("channels", "topic", "send", "symbols_per_message")
ANSWER_KEYS = ("when", "id", "symbol", "symbols", "channels", "message")
READ_KEYS = ("channel", "ids", "book", "depth", "fields")
BACKFILL_KEYS = (
    *("base", "get", "post", "headers", "fields", "rows_per_page", "requests_per_s", "by"),
    "reach",
)


@dataclass(frozen=True, slots=True)
class SymbolStyle:
    """How a venue spells a symbol.

    Attributes:
        style: "upper", "lower" or "as is".
        separator: the text between the two parts; empty for none.
        order: "base quote" or "quote base".
        examples: some symbols.
        prefix: what each symbol begins with.
        long_separator: the separator of pairs with a part of more than three characters, if that
            is another one.
        aliases: currencies that have another name here: usual name to name.
    """

    style: str
    separator: str
    order: str
    examples: tuple[str, ...]
    prefix: str = ""
    long_separator: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """How one subscribes.

    Attributes:
        channels: what the message asks for.
        topic: what stands for one symbol in the message: text or a table with `{symbol}`.
        send: the message; `{topics}` is the list of topics, `{id}` the number of the message.
        symbols_per_message: how many symbols a message may name.
    """

    channels: frozenset[str]
    topic: Any
    send: Any
    symbols_per_message: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A message that confirms or refuses subscriptions.

    Attributes:
        when: what it has.
        id: where the number of the message is that it answers; None if it has none.
        rows: where the symbols are, if it names several; None for none.
        symbol: how the symbol is read, of a row or of the message; it may be text that has the
            symbol in it. None if it names none, or if each row is a symbol.
        channels: the channels that it is about.
        message: where its text is; None if it has none.
    """

    when: tuple[Condition, ...]
    id: Path | None
    rows: Path | None
    symbol: Value | None
    channels: frozenset[str]
    message: Path | None

    @property
    def names_symbols(self) -> bool:
        """Whether the message names symbols."""
        return self.rows is not None or self.symbol is not None

    def symbols(self, message: Any) -> set[str]:
        """Return the symbols that a message names, or texts that have them in it."""
        chains = [(message,)] if self.rows is None else self.rows.walk(message) or ()
        found: set[str] = set()
        for chain in chains:
            value = chain[-1]
            if self.symbol is not None and self.symbol.path is not None:
                path = self.symbol.path
                value = path.get(message if path.from_message else value)
                with contextlib.suppress(BadTick, MisfitError):
                    value = self.symbol.convert(value)
            if isinstance(value, str):
                found.add(value)
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """What is done before the subscriptions are sent: either is None.

    Attributes:
        send: a message to send.
        wait_for: what a message must have to go on.
    """

    send: Any
    wait_for: tuple[Condition, ...] | None


@dataclass(frozen=True, slots=True)
class Read:
    """A kind of rows.

    Attributes:
        channel: the channel that brings them.
        ids: whether the trade ids of a symbol count up by one (`dense`), rise (`unique`), are
            only different (`random`), or there are none.
        reading: where their fields are.
        is_book: whether they are levels of an order book; see `BestQuotes`.
        depth: how many levels of a side this book has; None for all.
    """

    channel: str
    ids: str
    reading: Reading
    is_book: bool = False
    depth: int | None = None

    def serves(self, channels: Collection[str]) -> bool:
        """Return whether its rows are wanted for one of these channels."""
        return self.channel in channels or (self.is_book and "book" in channels)


@dataclass(frozen=True, slots=True)
class Newest:
    """A message that names the newest trade of a symbol.

    Attributes:
        when: what it has.
        symbol: where the symbol is.
        id: where the trade's id is.
    """

    when: tuple[Condition, ...]
    symbol: Path
    id: Path


@dataclass(frozen=True, slots=True)
class Socket:
    """One of a venue's websockets; durations are in seconds, None for no limit."""

    url: str
    begin: tuple[Step, ...]
    subscriptions: tuple[Subscription, ...]
    acks: tuple[Answer, ...]
    errors: tuple[Answer, ...]
    reads: tuple[Read, ...]
    newest: tuple[Newest, ...]
    ignore: tuple[tuple[Condition, ...], ...]
    planned_end: tuple[tuple[Condition, ...], ...]
    ping: Any
    ping_every_s: float
    silent_s: float | None
    life_s: float | None
    messages_per_s: float
    symbols_per_socket: int | None
    connects_per_minute: float | None = None
    connections: int | None = None  # of an account at a time


@dataclass(frozen=True, slots=True)
class Backfill:
    """How past trades are fetched.

    Attributes:
        base: the address that `get` follows.
        get: path and query, with `{symbol}` and `{id}` (the newest trade held, or the one before
            which to page; a part of the query with it is left out where there is none), or
            `{after_s}`, `{after_ms}`, `{after_ns}`, `{after_iso}` (the time of the newest trade
            held). `post` is sent to it as JSON where it is not None.
        post: the body of the request; None for a GET.
        headers: headers of the request, such as the venue's keys.
        reading: where the fields of the rows are.
        by: "after" if the answer begins after `{id}`, "before" if it pages back from it, "newest"
            if it always is the newest rows.
        rows_per_page: how many rows an answer has at most.
        requests_per_s: how many requests the venue allows.
        reach: how far back it goes, in words.
    """

    base: str
    get: str
    post: Any
    headers: Mapping[str, str]
    reading: Reading
    by: str
    rows_per_page: int
    requests_per_s: float
    reach: str

    def make_fields(self, symbol: str) -> FieldMap:
        """Return the field map of an answer with trades of a symbol: rows may not name it."""
        values = tuple(
            replace(each, fixed=symbol) if each.fixed == "{symbol}" else each
            for each in self.reading.values
        )
        return FieldMap((replace(self.reading, values=values),), None)


@dataclass(frozen=True, slots=True)
class Preset:
    """A venue as data.

    Attributes:
        fallback: the preset to use if it is proved that trades do not come.
        table: what it was read from.
    """

    name: str
    title: str
    checked: str
    sources: tuple[str, ...]
    about: str
    quotes: str
    symbols: SymbolStyle
    sockets: tuple[Socket, ...]
    backfill: Backfill | None
    keys: Mapping[str, str]
    fallback: str | None = None
    table: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that its sockets bring."""
        found = {
            channel
            for socket in self.sockets
            for each in socket.subscriptions
            for channel in each.channels
        }
        return tuple(each for each in CHANNELS if each in found)

    @property
    def trade_ids(self) -> frozenset[str]:
        """The kinds of trade ids that its sockets bring; see `Read`."""
        reads = [read for socket in self.sockets for read in socket.reads]
        return frozenset(read.ids for read in reads if read.channel == "trades")


def parse_preset(table: Mapping[str, Any]) -> Preset:
    """Read a preset.

    Raises:
        FieldMapError: an entry can't be understood; the error names it, and the nearest known one.
    """
    check_keys("", table, PRESET_KEYS)
    for key in ("name", "checked", "sources", "symbols", "socket"):
        if key not in table:
            raise FieldMapError(key, None, "is missing", f"add {key} to the preset")
    symbols = table["symbols"]
    check_keys("symbols", symbols, SYMBOL_KEYS)
    sockets = tuple(_parse_socket(each) for each in table["socket"])
    ids = {read.ids for each in sockets for read in each.reads}
    return Preset(
        table["name"],
        table.get("title", table["name"]),
        str(table["checked"]),
        tuple(table["sources"]),
        table.get("about", ""),
        table.get("quotes", ""),
        SymbolStyle(
            _choice("symbols.style", symbols.get("style", "as is"), STYLES),
            symbols.get("separator", ""),
            symbols.get("order", "base quote"),
            tuple(symbols.get("examples", ())),
            symbols.get("prefix", ""),
            symbols.get("long_separator", ""),
            dict(symbols.get("aliases", {})),
        ),
        sockets,
        _parse_backfill(table["backfill"], ids) if "backfill" in table else None,
        dict(table.get("keys", {})),
        table.get("fallback"),
        table,
    )


def _parse_socket(table: Mapping[str, Any]) -> Socket:
    check_keys("socket", table, SOCKET_KEYS)
    for key in ("url", "subscribe", "reads"):
        if key not in table:
            raise FieldMapError(f"socket.{key}", None, "is missing", f"add {key} to the socket")
    return Socket(
        table["url"],
        tuple(_parse_step(each) for each in table.get("begin", ())),
        tuple(_parse_subscription(each) for each in table["subscribe"]),
        tuple(_parse_answer("ack", each) for each in table.get("ack", ())),
        tuple(_parse_answer("error", each) for each in table.get("error", ())),
        tuple(_parse_read(each, table["reads"]) for each in table["reads"]),
        tuple(_parse_newest(each) for each in table.get("newest", ())),
        tuple(parse_conditions("ignore", each) for each in table.get("ignore", ())),
        tuple(parse_conditions("planned_end", each) for each in table.get("planned_end", ())),
        table.get("ping"),
        float(table.get("ping_every_s", 20)),
        table.get("silent_s"),
        table.get("life_s"),
        float(table.get("messages_per_s", 5)),
        table.get("symbols_per_socket"),
        table.get("connects_per_minute"),
        table.get("connections"),
    )


def _parse_step(table: Mapping[str, Any]) -> Step:
    check_keys("begin", table, STEP_KEYS)
    if len(table) != 1:
        raise FieldMapError("begin", dict(table), "is not one step", "give it send or wait_for")
    if "send" in table:
        return Step(table["send"], None)
    return Step(None, parse_conditions("begin.wait_for", table["wait_for"]))


def _parse_subscription(table: Mapping[str, Any]) -> Subscription:
    check_keys("subscribe", table, SUBSCRIBE_KEYS)
    channels = [_choice("subscribe.channels", each, CHANNELS) for each in table["channels"]]
    return Subscription(
        frozenset(channels),
        table.get("topic", "{symbol}"),
        table["send"],
        int(table.get("symbols_per_message", 50)),
    )


def _parse_answer(key: str, table: Mapping[str, Any]) -> Answer:
    check_keys(key, table, ANSWER_KEYS)
    rows = table.get("symbols")
    channels = table.get("channels", CHANNELS)
    return Answer(
        parse_conditions(f"{key}.when", table["when"]),
        parse_path(f"{key}.id", table["id"]) if "id" in table else None,
        None if rows is None else parse_path(f"{key}.symbols", rows, is_rows=True),
        parse_value("symbol", table["symbol"]) if "symbol" in table else None,
        frozenset(_choice(f"{key}.channels", each, CHANNELS) for each in channels),
        parse_path(f"{key}.message", table["message"]) if "message" in table else None,
    )


def _parse_read(table: Mapping[str, Any], beside: Sequence[Mapping[str, Any]]) -> Read:
    check_keys("reads", table, READ_KEYS)
    [reading] = parse_fields(table["fields"]).readings
    ids = _choice("reads.ids", table.get("ids", "none"), IDS)
    is_book = table.get("book", False)
    channel = _choice("reads.channel", table["channel"], CHANNELS)
    is_whole = channel == "book" and not is_book
    marks = [LEVEL] * is_book + [WHOLE_BOOK] * is_whole
    values = (*reading.values, *(Value(mark, None, 1.0) for mark in marks))
    has_books = any(each.get("book") for each in beside)
    reading = replace(reading, values=values, ids_rise=ids != "random", is_numbered=has_books)
    return Read(channel, ids, reading, is_book, table.get("depth"))


def _parse_newest(table: Mapping[str, Any]) -> Newest:
    check_keys("newest", table, ("when", "symbol", "id"))
    return Newest(
        parse_conditions("newest.when", table["when"]),
        parse_path("newest.symbol", table["symbol"]),
        parse_path("newest.id", table["id"]),
    )


def _parse_backfill(table: Mapping[str, Any], ids: set[str]) -> Backfill:
    check_keys("backfill", table, BACKFILL_KEYS)
    [reading] = parse_fields(table["fields"]).readings
    return Backfill(
        table["base"],
        table["get"],
        table.get("post"),
        dict(table.get("headers", {})),
        replace(reading, ids_rise="random" not in ids),
        _choice("backfill.by", table.get("by", "newest"), ("after", "before", "newest")),
        int(table.get("rows_per_page", 100)),
        float(table.get("requests_per_s", 1)),
        table.get("reach", ""),
    )


def _choice(key: str, value: Any, choices: Sequence[str]) -> str:
    if value not in choices:
        raise FieldMapError(key, value, "is unknown", f"expected {format_choices(choices)}")
    return str(value)


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """Return a template with its `{names}` replaced.

    Text that is only `{name}` becomes the value itself, which may be a list; inside of other text
    it becomes the value's text.
    """
    if isinstance(template, str):
        if template.startswith("{") and template.endswith("}") and template[1:-1] in values:
            return values[template[1:-1]]
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", str(value))
        return template
    if isinstance(template, Mapping):
        return {key: fill(each, values) for key, each in template.items()}
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    return template
