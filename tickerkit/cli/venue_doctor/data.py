"""Findings about the data: trades, quotes, sides, ids, clock, and past trades by REST."""

from __future__ import annotations

from collections.abc import Iterator

from tickerkit.cli.findings import Finding
from tickerkit.cli.venue_doctor.past_trades import PastAnswer
from tickerkit.cli.venue_doctor.preset_lines import PresetLines
from tickerkit.cli.venue_doctor.probe import Arrivals, Trade
from tickerkit.cli.venue_doctor.sockets import (
    BUSY_STATUSES,
    REGION_FIX,
    REGION_STATUSES,
    check_network,
    look_up,
)
from tickerkit.formatting import format_count, format_line, format_value
from tickerkit.presets.preset import Backfill, Preset
from tickerkit.ticks import NO_TIME

__all__ = ["is_mute", "judge_clock", "judge_data", "judge_past"]

# Trades at the bid or the ask from which the sides are judged.
MIN_JUDGED = 8
# Venues whose quotes come before the trades that caused them are near a half.
MIN_AGREEING, MAX_INVERTED = 0.75, 0.25
MIN_IDS = 5
QUOTE_FIELDS = ("bid", "ask", "bid_size", "ask_size")
MAX_BEHIND_S = 0.2
MAX_LAG_S = 10.0
# From here on, it is the unit of the time that is wrong.
MAX_ODD_S = 86400.0
MAX_CLOCK_S = 2.0
# How much newer a trade of REST must be than the subscription to prove that one did not come.
MUTE_S = 3.0


def is_mute(arrivals: Arrivals, past: PastAnswer | None, asked_ns: int) -> bool:
    """Return whether REST has trades from after the subscription, and none came.

    Args:
        arrivals: what came over the websocket.
        past: the answer of REST; None if the preset has no REST interface.
        asked_ns: when the subscription was sent, in epoch ns.
    """
    if past is None or arrivals.live:
        return False
    newest_ns = max((each.time_ns for each in past.trades), default=0)
    # The times of trades are the venue's.
    asked_ns -= int((past.clock_s or 0.0) * 1e9)
    return newest_ns > asked_ns + MUTE_S * 1e9


def judge_data(
    preset: Preset,
    arrivals: Arrivals,
    past: PastAnswer | None,
    lines: PresetLines,
    listened_s: float,
    *,
    mute: bool,
) -> Iterator[Finding]:
    """Yield what is found of what came over the websocket.

    Args:
        preset: the venue.
        arrivals: what came.
        past: the answer of REST; None if the preset has no REST interface.
        lines: the preset's file.
        listened_s: how long ticks were awaited; 0 if the venue refused or ended a connection.
        mute: whether REST has trades that should have come.
    """
    yield from _judge_arrivals(preset, arrivals, lines, listened_s, mute=mute)
    if arrivals.errors:
        error = arrivals.errors[0]
        count = format_count(max(arrivals.refused, 1), "row")
        about = f"{count} could not be read: {error.field} {error.problem}: " + format_value(
            error.value
        )
        channel = "quotes" if error.field in QUOTE_FIELDS else "trades"
        line = _find_read(preset, lines, channel, error.field)
        yield Finding("fields", about, look_up(preset), "problem", line)
    for shape, number in list(arrivals.unknown.items())[:3]:
        about = (
            f"{format_count(number, 'message')} of a kind that the preset does not name: {shape}"
        )
        yield Finding("messages", about, "what is missing above may be in these", "note")
    yield from _judge_sides(preset, arrivals, lines)
    yield from _judge_ids(preset, arrivals, past, lines)


def _find_read(preset: Preset, lines: PresetLines, channel: str, key: str) -> str:
    """Return the line of a field of a channel's rows."""
    for number, socket in enumerate(preset.sockets):
        if any(read.channel == channel for read in socket.reads):
            table = "socket.reads" if key == "ids" else "socket.reads.fields"
            return lines.find(table, key, socket=number, channel=channel)
    return lines.find("socket")


def _judge_arrivals(
    preset: Preset, arrivals: Arrivals, lines: PresetLines, listened_s: float, *, mute: bool
) -> Iterator[Finding]:
    """Yield which channels brought rows."""
    channels = dict.fromkeys(read.channel for socket in preset.sockets for read in socket.reads)
    channels.pop("book", None)
    for channel in channels:
        old = len(arrivals.trades) - len(arrivals.live) if channel == "trades" else 0
        before = f"; {format_count(old, 'trade')} from before the subscription" if old else ""
        if channel in arrivals.first_s:
            count = len(arrivals.live) if channel == "trades" else arrivals.quotes
            about = f"the first after {arrivals.first_s[channel]:.2f} s, {count:,} in all{before}"
            if channel == "quotes" and arrivals.crossed * 2 > arrivals.quotes:
                about = f"the bid is above the ask in {arrivals.crossed:,} of {arrivals.quotes:,}"
                line = _find_read(preset, lines, channel, "bid")
                yield Finding(channel, about, look_up(preset), "problem", line)
            else:
                yield Finding(channel, about)
        elif arrivals.errors or not listened_s:
            continue
        elif mute or arrivals.unknown or (channel == "quotes" and arrivals.live):
            why = "other messages did"
            if mute:
                why = "REST has newer ones" if channel == "trades" else "the symbol is traded"
            about = f"none came within {listened_s:g} s, though {why}{before}"
            line = _find_read(preset, lines, channel, "when")
            yield Finding(channel, about, look_up(preset), "problem", line)
        else:
            about = f"none came within {listened_s:g} s{before}"
            fix = "the symbol may be quiet: listen longer (--for 2m), or try a busier symbol"
            yield Finding(channel, about, fix, "note")


def _compare_sides(arrivals: Arrivals) -> tuple[int, int]:
    """Return how many trades have the side that the quotes say, and how many were compared."""
    agree = total = 0
    for each in arrivals.live:
        if each.side not in ("buy", "sell") or not each.bid < each.ask:
            continue
        if each.price >= each.ask or each.price <= each.bid:
            total += 1
            agree += (each.side == "buy") == (each.price >= each.ask)
    return agree, total


def _are_inverted(arrivals: Arrivals) -> bool:
    """Return whether the quotes show that buys and sells are the wrong way round."""
    agree, total = _compare_sides(arrivals)
    return total >= MIN_JUDGED and agree <= total * MAX_INVERTED


def _judge_sides(preset: Preset, arrivals: Arrivals, lines: PresetLines) -> Iterator[Finding]:
    """Yield whether trades at the ask are buys, and those at the bid are sells."""
    agree, total = _compare_sides(arrivals)
    if not any(each.side for each in arrivals.live):
        if arrivals.live:
            yield _judge_no_sides(preset, lines)
        return
    about = f"{agree:,} of {total:,} trades at the bid or the ask have the side that the quotes say"
    if total < MIN_JUDGED:
        about = about if total else "no trade came at the bid or the ask of a quote"
        fix = f"fewer than {MIN_JUDGED} prove nothing: listen longer (--for 2m)"
        yield Finding("side", about, fix, "note")
    elif _are_inverted(arrivals):
        line = _find_read(preset, lines, "trades", "side")
        about = f"{about}: buys and sells are the wrong way round"
        yield Finding("side", about, look_up(preset), "problem", line)
    elif agree < total * MIN_AGREEING:
        fix = "no proof: at some venues the quote changes before its trade is sent"
        yield Finding("side", about, fix, "note")
    else:
        yield Finding("side", about)


def _judge_no_sides(preset: Preset, lines: PresetLines) -> Finding:
    """Return whether the preset says that trades have no side."""
    readings = [
        read.reading
        for socket in preset.sockets
        for read in socket.reads
        if read.channel == "trades"
    ]
    if any(value.column == "side" for reading in readings for value in reading.values):
        line = _find_read(preset, lines, "trades", "side")
        return Finding("side", "no trade has one", look_up(preset), "problem", line)
    return Finding("side", "no trade has one, as the preset says")


def _judge_ids(
    preset: Preset, arrivals: Arrivals, past: PastAnswer | None, lines: PresetLines
) -> Iterator[Finding]:
    """Yield whether trade ids are as the preset says."""
    reads = [each for socket in preset.sockets for each in socket.reads]
    kind = next((each.ids for each in reads if each.channel == "trades"), "none")
    line = _find_read(preset, lines, "trades", "ids")
    ids = sorted({each.trade_id for each in arrivals.trades if each.trade_id})
    live_ids = [each.trade_id for each in arrivals.live if each.trade_id]
    if kind == "none":
        if arrivals.trades:
            yield Finding("trade ids", "there are none, as the preset says")
        return
    if kind == "random" and arrivals.trades and not ids:
        yield Finding("trade ids", "are text that identifies trades, as the preset says")
        return
    if len(ids) < MIN_IDS:
        if arrivals.trades:
            about = f"only {format_count(len(ids), 'id')} came: too few to judge"
            yield Finding("trade ids", about, "listen longer (--for 2m)", "note")
        return
    missing = ids[-1] - ids[0] + 1 - len(ids)
    if kind == "dense" and missing:
        index = next(at for at in range(len(ids) - 1) if ids[at + 1] != ids[at] + 1)
        between = [] if past is None else [each.trade_id for each in past.trades]
        if any(ids[index] < each < ids[index + 1] for each in between):
            about = f"{format_count(missing, 'trade')} did not come, the first after {ids[index]}"
            fix = "REST has them, and tickerkit fetches them from there: the preset is right"
            yield Finding("trade ids", about, fix, "note")
            return
        about = f"do not count up by one: after {ids[index]} came {ids[index + 1]}"
        yield Finding("trade ids", about, look_up(preset), "problem", line)
    elif kind == "dense":
        yield Finding("trade ids", f"count up by one, from {ids[0]} to {ids[-1]}")
    elif kind == "unique" and live_ids != sorted(live_ids):
        about = "do not rise from one live trade to the next"
        yield Finding("trade ids", about, look_up(preset), "problem", line)
    else:
        word = "rise" if kind == "unique" else "differ"
        yield Finding("trade ids", f"{word} in {format_count(len(ids), 'trade')}")


def judge_clock(
    preset: Preset, arrivals: Arrivals, past: PastAnswer | None, lines: PresetLines
) -> Iterator[Finding]:
    """Yield how far this machine's clock is from the venue's."""
    lags = [
        (each.received_ns - each.time_ns) / 1e9 for each in arrivals.live if each.time_ns != NO_TIME
    ]
    clock_s = None if past is None else past.clock_s
    if lags and abs(min(lags)) > MAX_ODD_S:
        about = f"trades are {min(lags) / 86400:,.1f} days old when they come"
        line = _find_read(preset, lines, "trades", "time")
        yield Finding(
            "clock", about, f"the unit of time may be wrong; {look_up(preset)}", "problem", line
        )
        return
    ahead_s = clock_s if clock_s is not None and abs(clock_s) > MAX_CLOCK_S else None
    if ahead_s is None and lags and min(lags) < -MAX_BEHIND_S:
        ahead_s = min(lags)
    if ahead_s is not None:
        word = "ahead of" if ahead_s > 0 else "behind"
        about = f"this machine's clock is {abs(ahead_s):.1f} s {word} the venue's"
        fix = "set the clock (NTP): tickerkit's `received` and delays come from it"
        yield Finding("clock", about, fix, "note")
    elif lags and min(lags) > MAX_LAG_S:
        about = f"live trades come {min(lags):.1f} s after their time, though the clock is right"
        yield Finding("clock", about, "the venue, or the network, delays the data", "note")
    elif lags:
        about = f"live trades come {min(lags):.2f} s after their time at best"
        yield Finding("clock", about)
    elif clock_s is not None:
        yield Finding("clock", "is within 2 s of the venue's")


def judge_past(
    preset: Preset,
    backfill: Backfill,
    arrivals: Arrivals,
    past: PastAnswer,
    lines: PresetLines,
) -> Iterator[Finding]:
    """Yield what is found of REST: whether it answers, agrees with what came, and its limits.

    Args:
        preset: the venue.
        backfill: its REST interface.
        arrivals: what came over the websocket.
        past: the answer of REST.
        lines: the preset's file.
    """
    if past.error is not None:
        about = f"{past.url} did not answer: {type(past.error).__name__}"
        line = lines.find("backfill", "base")
        yield Finding("REST", about, check_network(preset), "problem", line)
        return
    if past.status != 200:
        about = f"HTTP {past.status} from {past.url}: {format_line(past.excerpt)}"
        line = lines.find("backfill", "get")
        fix = look_up(preset)
        if past.status in REGION_STATUSES:
            about, fix = f"HTTP {past.status}: the venue refuses this network or region", REGION_FIX
        elif past.status in BUSY_STATUSES:
            fix, line = "wait some minutes", lines.find("backfill", "requests_per_s")
        elif past.status >= 500:
            fix, line = "the venue is down, or in maintenance: try again later", ""
        yield Finding("REST", about, fix, "problem", line)
    elif past.errors:
        error = past.errors[0]
        about = f"{error.field} {error.problem}: {format_value(error.value)}"
        line = lines.find("backfill.fields", error.field)
        yield Finding("REST", about, look_up(preset), "problem", line)
    elif past.has_rows and not past.trades and not arrivals.live:
        about = f"no past trades from {past.url}"
        yield Finding("REST", about, "the symbol may be quiet: try a busier one", "note")
    elif not past.trades:
        about = f"no trade in the answer: {format_line(past.excerpt)}"
        where = ("backfill", "get") if past.has_rows else ("backfill.fields", "rows")
        yield Finding("REST", about, look_up(preset), "problem", lines.find(*where))
    else:
        count = format_count(len(past.trades), "past trade")
        yield Finding("REST", f"{count} from {past.url} in {past.took_s:.2f} s")
        yield from _judge_overlap(preset, backfill, arrivals, past, lines)
    if past.limits:
        limits = ", ".join(f"{name}: {value}" for name, value in past.limits.items())
        yield Finding("limits", format_line(limits))
    else:
        yield Finding("limits", "the venue does not say how much of them is left")


def _judge_overlap(
    preset: Preset,
    backfill: Backfill,
    arrivals: Arrivals,
    past: PastAnswer,
    lines: PresetLines,
) -> Iterator[Finding]:
    """Yield whether trades came both ways, and are equal."""
    known = {each.trade_id: each for each in past.trades if each.trade_id}
    both = [(each, known[each.trade_id]) for each in arrivals.live if each.trade_id in known]
    if not both:
        if known and any(each.trade_id for each in arrivals.live):
            about = "REST has none of the trades that came: those of a break can't be fetched"
            fix = look_up(preset)
            line = lines.find("backfill.fields", "trade_id")
            yield Finding("overlap", about, fix, "problem", line)
        return
    for name in ("price", "size", "side"):
        wrong = [pair for pair in both if _differs(*pair, name)]
        # If the websocket's sides are wrong, the line of REST is right.
        if wrong and not (name == "side" and _are_inverted(arrivals)):
            live, other = wrong[0]
            about = (
                f"{len(wrong):,} of {len(both):,} trades have another {name} by REST: trade "
                f"{live.trade_id} has {getattr(live, name)} and {getattr(other, name)}"
            )
            line = lines.find("backfill.fields", name)
            yield Finding("overlap", about, look_up(preset), "problem", line)
            return
    same = "price and size" if _are_inverted(arrivals) else "price, size and side"
    about = f"{format_count(len(both), 'trade')} came both ways, with equal {same}"
    yield Finding("overlap", about)


def _differs(live: Trade, other: Trade, name: str) -> bool:
    """Return whether a field differs; a missing one (an empty text, NaN) does not."""
    ours, theirs = getattr(live, name), getattr(other, name)
    return bool(ours and theirs and ours == ours and theirs == theirs and ours != theirs)
