"""mqtt: a source of the messages of an MQTT broker, such as those of sensors at home."""

from __future__ import annotations

import asyncio
import importlib
import re
import ssl as ssl_module
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from tickerkit.errors import BadTick, InvalidArgument, SourceError
from tickerkit.fieldmaps import FieldMap, ForeignReader, Machine
from tickerkit.formatting import format_line
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.sources.base import Outlet
from tickerkit.sources.delays import pick_delay_s
from tickerkit.sources.mapped import MappedSource
from tickerkit.sources.websocket import load_fields
from tickerkit.ticks import read_ticks
from tickerkit.ticks.fields import symbol_field

__all__ = ["MQTT_SCHEMES", "MqttSource", "find_prefix", "make_ticks", "mqtt", "parse_mqtt_url"]

EXPECTED_URL = "an address such as 'mqtt://host/home/#' or 'mqtts://user:password@host:8883/topic'"
URL = re.compile(r"(mqtts?)://(?:([^/@]*)@)?(\[[^\]]+\]|[^/:@\s]+)(?::(\d{1,5}))?/(\S.*)")
MQTT_SCHEMES = ("mqtt://", "mqtts://")
PORTS = {"mqtt": 1883, "mqtts": 8883}
FIX = "subscribe to topics with JSON objects or numbers only, or pass fields="
# The name of a number whose topic has one level.
ONLY_COLUMN = "value"


class MqttAddress(NamedTuple):
    """Where a broker is, and what to subscribe to.

    Attributes:
        scheme: "mqtt", or "mqtts" with TLS.
        host: the host.
        port: the port.
        username: the name to log in with; None without one.
        password: its password; None without one.
        topic: the topic, which may have the wildcards + and #.
    """

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None
    topic: str

    @property
    def shown(self) -> str:
        """The address without name and password."""
        return f"{self.scheme}://{self.host}:{self.port}/{self.topic}"


class MqttSource(MappedSource):
    """The messages of a broker; made by `tk.mqtt`.

    It connects again whenever the connection ends, after a random delay of up to 0.25 s, doubled
    with each failed attempt up to 30 s. What was sent meanwhile is a gap of unknown size.

    Args:
        address: where the broker is.
        fields: the field map; None for messages that are ticks, or numbers, or for a guess.
        ssl: certificates to trust; None for those of the system.
    """

    def __init__(
        self,
        address: MqttAddress,
        fields: FieldMap | None = None,
        ssl: ssl_module.SSLContext | None = None,
    ) -> None:
        self._address = address
        super().__init__(None if fields is None else Machine(fields))
        # Guesses a map if the first messages are not ticks; None after the first tick.
        self._foreign = ForeignReader() if fields is None else None
        self._ssl = ssl
        self._prefix = find_prefix(address.topic)
        self._has_connected = False

    def __repr__(self) -> str:
        return f"messages of {self._address.shown}"

    async def run(self, out: Outlet) -> None:
        """Connect and receive until it is cancelled."""
        client_module = importlib.import_module("aiomqtt")
        failed = 0
        while True:
            try:
                await self._receive(client_module, out)
            except (client_module.MqttError, OSError) as error:
                failed = 0 if self._has_connected else failed + 1
                reason = format_line(str(error))
                if self._has_connected:
                    self._has_connected = False
                    await out.gap(None, f"the broker's connection ended: {reason}")
                else:
                    out.report(SourceError(self._address.shown, f"can't connect: {reason}"))
            await asyncio.sleep(pick_delay_s(failed))

    async def _receive(self, client_module: Any, out: Outlet) -> None:
        """Connect, subscribe, and send each message until the connection ends."""
        address = self._address
        tls = None
        if address.scheme == "mqtts":
            tls = self._ssl or ssl_module.create_default_context()
        async with client_module.Client(
            address.host.strip("[]"),
            address.port,
            username=address.username,
            password=address.password,
            tls_context=tls,
        ) as client:
            await client.subscribe(address.topic)
            self._has_connected = True
            async for message in client.messages:
                await self._take(str(message.topic), message.payload, message.retain, out)

    async def _take(self, topic: str, payload: bytes, is_retained: bool, out: Outlet) -> None:
        try:
            value = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            out.report(BadTick("message", payload[:200], f"of {topic} is not JSON", FIX))
            return
        message = {"topic": topic, "payload": value}
        if self._foreign is None and self.machine is not None:
            data = msgspec.json.encode({**message, "retain": is_retained})
            await self._deliver(self.machine.receive([data]), out)
            return
        ticks = read_ticks(make_ticks(topic, value, self._prefix, is_retained=is_retained))
        batches = None
        if self._foreign is not None and not is_retained:
            if ticks.count:
                # From now on a message that is not a tick, such as a status, is refused.
                self._foreign = self.machine = None
            elif isinstance(value, dict | list):
                batches = self._foreign.read(msgspec.json.encode(message))
                self.machine = self._foreign.machine
        for batch in [ticks] if batches is None else batches:
            await out.send(batch)


def mqtt(url: str, fields: object = None, *, ssl: Trust | None = None) -> MqttSource:
    """Return a source of the messages of an MQTT broker; it needs `pip install tickerkit[mqtt]`.

    A message that is a JSON object is a tick. If it has no symbol of its own, its symbol is the
    rest of its topic after the part of `url` without wildcards. A message that is a number, such as
    21.5 on `home/kitchen/temperature`, is a tick of "kitchen" with a temperature. Messages that the
    broker has kept from before have `origin="snapshot"`. Any other message is refused and counted,
    unless all of the first messages have another form: then a field map is guessed from them;
    `source.fields` shows it.

    Args:
        url: the broker and the topic: `"mqtt://host/home/#"`, with `mqtts://` for TLS.
        fields: the field map of messages that have another form, as for `tk.websocket`; the message
            is `payload` there, and its topic is `topic`.
        ssl: a certificate to trust, or a context.

    Raises:
        SourceError: the package aiomqtt is not installed.
        FieldMapError: the map has a wrong entry.
        InvalidArgument: another argument is invalid.

    Example:
        >>> feed = tk.live(tk.mqtt("mqtt://localhost/zigbee2mqtt/+"))
    """
    address = parse_mqtt_url(url)
    known = None if fields is None else load_fields(fields)
    context = make_client_context(ssl)
    try:
        importlib.import_module("aiomqtt")
    except ImportError:
        fix = "run: pip install 'tickerkit[mqtt]'"
        problem = "MQTT needs the package aiomqtt"
        raise SourceError(address.shown, problem, fix=fix) from None
    return MqttSource(address, known, context)


def parse_mqtt_url(url: object) -> MqttAddress:
    """Return the parts of an address; raise `InvalidArgument`, which shows no password."""
    match = URL.fullmatch(url) if isinstance(url, str) else None
    port = 0 if match is None else int(match[4] or PORTS[match[1]])
    if match is None or not 0 < port <= MAX_PORT:
        shown = re.sub(r"//[^/]*@", "//", url) if isinstance(url, str) else url
        raise InvalidArgument("url", shown, EXPECTED_URL)
    name, colon, password = (match[2] or "").partition(":")
    return MqttAddress(
        match[1],
        match[3],
        port,
        unquote(name) or None,
        unquote(password) if colon else None,
        match[5],
    )


def find_prefix(topic: str) -> str:
    """Return the part of a topic that names no symbol: before the first wildcard or last level.

    Example:
        >>> find_prefix("home/+/temperature"), find_prefix("home/kitchen")
        ('home/', 'home/')
    """
    head, slash, _ = re.split(r"(?:^|(?<=/))[+#]", topic)[0].rpartition("/")
    return head + slash


def make_ticks(topic: str, value: object, prefix: str, *, is_retained: bool) -> object:
    """Return what to send to the log for a message: a tick, a list of ticks, or what is refused.

    Args:
        topic: the topic of the message.
        value: the message, decoded.
        prefix: the part of the topic that names no symbol.
        is_retained: whether the broker has kept it from before.
    """
    origin = {"origin": "snapshot"} if is_retained else {}

    def make(each: object) -> object:
        if isinstance(each, int | float) and not isinstance(each, bool):
            head, _, column = topic.rpartition("/")
            if not head:
                return {"symbol": topic, ONLY_COLUMN: each, **origin}
            named = head.removeprefix(prefix) if head.startswith(prefix) else ""
            return {"symbol": named or head.rpartition("/")[2], column: each, **origin}
        if not isinstance(each, dict):
            return each
        symbol = {} if symbol_field(each) else {"symbol": topic.removeprefix(prefix) or topic}
        return {**symbol, **each, **origin}

    return [make(each) for each in value] if isinstance(value, list) else make(value)
