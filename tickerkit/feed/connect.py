"""connect: makes a feed, or continues the feed that the same cell made before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.feed.feed import Feed
from tickerkit.feed.rotation import read_addresses
from tickerkit.limits import MAX_EPOCH_LENGTH
from tickerkit.log import Position
from tickerkit.net.tls import Trust
from tickerkit.net.urls import Urls, check_websocket_url
from tickerkit.presets.files import list_presets
from tickerkit.runtime.rerun import cell_slot
from tickerkit.sources import websocket
from tickerkit.validation import check_number, parse_symbols

__all__ = ["connect"]


def connect(
    url: Urls = "ws://127.0.0.1:8000/",
    symbols: str | Sequence[str] | None = None,
    history: int | None = 10_000,
    keep: int = 5_000_000,
    token: str | None = None,
    ssl: Trust | None = None,
    retry_for: float | None = None,
    resume: Position | tuple[str, int] | None = None,
    *,
    subscribe: object = None,
    fields: object = None,
    ping: object = None,
    ping_every_s: float = 20.0,
    wait_for: object = None,
    ignore: object = None,
    headers: Mapping[str, str] | None = None,
    silent_s: float | None = None,
) -> Feed:
    """Connect to a websocket of ticks; return at once and receive in the background.

    After a break the feed reconnects. A tickerkit server continues after exactly the last tick
    received; ticks that it no longer has are listed in `feed.gaps`. Any other websocket that sends
    ticks as JSON (objects with a symbol and at least one number of any name) works too, but can't
    resume: there, each break is a gap. Where the symbol has another name than `symbol`, a field map
    is guessed; `feed.fields` shows it. Running the cell again continues with the same log: no ticks
    are thrown away, and nothing runs twice. With another address, other symbols or another `keep`
    it is another feed; the first one, which may have another name by then, continues until it is
    stopped. `tk.status()` lists both.

    Args:
        url: address of the websocket or of the server's page, or the server itself. A list of
            several is tried in turn: servers of tickerkit that have the same ticks, such as the
            relays of one stream. The feed resumes at whichever it meets. `feed.url` is the address
            that it is connected to, or tries next. One that refuses for good, as with a wrong
            token, is left out for a minute; the feed fails only if all refuse.
        symbols: one symbol, a list, or text such as `"AAPL,MSFT"`; all by default.
        history: number of ticks from before now to get first, counted after filtering by symbol;
            0 for none, None for all.
        keep: number of ticks to hold; beyond it the oldest are dropped and counted in
            `stats["dropped"]`.
        token: the server's token, the same for all addresses; it may also be in each url.
        ssl: for a `wss://` address: path of a certificate to trust, such as that of a school's own
            server, or an `ssl.SSLContext`; by default the system's certificates are trusted.
        retry_for: seconds without a connection after which the feed fails; None for never.
        resume: position (epoch and seq) of the tick to continue after, such as the last of a
            recording: all later ticks are fetched, and those that the server no longer has are
            listed in `gaps`.
        fields: a field map, which says where the ticks are in the messages of another server than
            tickerkit's. Without one, it is guessed from the first messages; `feed.fields` shows it.
            `tk.websocket` explains this argument and those below; all are for such a server.
        subscribe: what to send on each connection: one message, or a list.
        ping: a message to send every `ping_every_s` seconds.
        ping_every_s: seconds from one `ping` to the next.
        wait_for: `subscribe` is sent after a message that has these values at these paths.
        ignore: messages that have these values at these paths are not ticks.
        headers: further headers of the HTTP request, such as a key.
        silent_s: seconds without a message after which to connect again; None for never.

    Returns:
        The feed. It waits for a server that isn't up yet; `feed.status` shows that.

    Raises:
        InvalidArgument: an argument is invalid; nothing is left running.
        FieldMapError: the field map has a wrong entry.
        FileNotFoundError: the file of `ssl` does not exist.

    Example:
        >>> feed = tk.connect("ws://127.0.0.1:8000")
        >>> feed.wait(100).frame()
    """
    _check_no_venue(url)
    addresses = read_addresses(url, token)
    symbol_list = parse_symbols("symbols", symbols)
    check_number("history", history, 0, whole=True, optional=True)
    check_number("keep", keep, 1, whole=True)
    check_number("retry_for", retry_for, 0, optional=True)
    check_number("ping_every_s", ping_every_s, 0.1)
    position = None if resume is None else _check_resume(resume)
    # The key leaves out the token: a restarted server may have a new token at the same address.
    key = None if symbol_list is None else tuple(symbol_list)
    cell = cell_slot("feed", *(each.url for each in addresses), key, keep)
    previous: Feed | None = cell.last()
    talk = (subscribe, ping, wait_for, ignore, headers, silent_s)
    source = None
    if fields is not None or any(each is not None for each in talk):
        if len(addresses) > 1:
            expected = "one address, since fields= and the like are for another server"
            raise InvalidArgument("url", [each.shown for each in addresses], expected)
        source = websocket(
            check_websocket_url(url[0] if isinstance(url, list | tuple) else url),
            subscribe,
            fields,
            symbols=symbol_list,
            ping=ping,
            ping_every_s=ping_every_s,
            wait_for=wait_for,
            ignore=ignore,
            headers=headers,
            silent_s=silent_s,
            ssl=ssl,
        )
    feed = Feed(
        url,
        symbol_list,
        history,
        keep,
        token,
        ssl,
        retry_for,
        previous,
        position,
        websocket=source,
    )
    feed.start()
    cell.fill(feed)
    return feed


def _check_resume(resume: object) -> Position:
    """Return a position, or the position of an (epoch, seq) pair."""
    if isinstance(resume, tuple | list) and len(resume) == 2:
        resume = Position(*resume)
    if not isinstance(resume, Position) or not isinstance(resume.epoch, str):
        expected = "a Position, or its epoch and seq as in ('a1b2', 1000)"
        raise InvalidType("resume", resume, expected)
    if len(resume.epoch) > MAX_EPOCH_LENGTH:
        expected = f"at most {MAX_EPOCH_LENGTH} characters"
        raise InvalidArgument("resume.epoch", resume.epoch, expected)
    check_number("resume.seq", resume.seq, 0, whole=True)
    return resume


def _check_no_venue(url: object) -> None:
    """Refuse a venue with symbols, which looks like a host with a port."""
    for text in url if isinstance(url, list | tuple) else [url]:
        name, _, symbols = text.partition(":") if isinstance(text, str) else ("", "", "")
        if symbols and not symbols[0].isdigit() and name in list_presets():
            expected = f"an address, or a server of the venue: tk.serve({text!r}); or call tk.live"
            raise InvalidArgument("url", text, expected)
