"""connect: makes a feed, or continues the feed that the same cell made before."""

from __future__ import annotations

from collections.abc import Sequence

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.feed.feed import Feed
from tickerkit.limits import MAX_EPOCH_LENGTH
from tickerkit.log import Position
from tickerkit.net.tls import Trust
from tickerkit.net.urls import HasUrl, check_websocket_url, split_websocket_url
from tickerkit.runtime.rerun import cell_slot
from tickerkit.validation import check_number, parse_symbols

__all__ = ["connect"]


def connect(
    url: str | HasUrl = "ws://127.0.0.1:8000/",
    symbols: str | Sequence[str] | None = None,
    history: int | None = 10_000,
    keep: int = 5_000_000,
    token: str | None = None,
    ssl: Trust | None = None,
    retry_for: float | None = None,
    resume: Position | tuple[str, int] | None = None,
) -> Feed:
    """Connect to a websocket of ticks; return at once and receive in the background.

    After a break the feed reconnects. A tickerkit server continues after exactly the last tick
    received; ticks that it no longer has are listed in `feed.gaps`. Any other websocket that sends
    ticks as JSON works too, but can't resume: there, each break is a gap. Running the cell again
    continues with the same log: no ticks are thrown away, and nothing runs twice.

    Args:
        url: address of the websocket or of the server's page, or the server itself.
        symbols: one symbol, a list, or text such as `"AAPL,MSFT"`; all by default.
        history: number of ticks from before now to get first, counted after filtering by symbol;
            0 for none, None for all.
        keep: number of ticks to hold; beyond it the oldest are dropped and counted in
            `stats["dropped"]`.
        token: the server's token; it may also be in the url.
        ssl: for a `wss://` address: path of a certificate to trust, such as that of a school's own
            server, or an `ssl.SSLContext`; by default the system's certificates are trusted.
        retry_for: seconds without a connection after which the feed fails; None for never.
        resume: position (epoch and seq) of the tick to continue after, such as the last of a
            recording: all later ticks are fetched, and those that the server no longer has are
            listed in `gaps`.

    Returns:
        The feed. It waits for a server that isn't up yet; `feed.status` shows that.

    Raises:
        InvalidArgument: an argument is invalid; nothing is left running.
        FileNotFoundError: the file of `ssl` does not exist.

    Example:
        >>> feed = tk.connect("ws://127.0.0.1:8000")
        >>> feed.wait(100).frame()
    """
    url = check_websocket_url(url)
    symbol_list = parse_symbols("symbols", symbols)
    check_number("history", history, 0, whole=True, optional=True)
    check_number("keep", keep, 1, whole=True)
    check_number("retry_for", retry_for, 0, optional=True)
    position = None if resume is None else _check_resume(resume)
    # The key leaves out the token: a restarted server may have a new token at the same address.
    address, _ = split_websocket_url(url)
    key = None if symbol_list is None else tuple(symbol_list)
    cell = cell_slot("feed", address, key, keep)
    previous: Feed | None = cell.last()
    feed = Feed(url, symbol_list, history, keep, token, ssl, retry_for, previous, position)
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
