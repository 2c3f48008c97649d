"""`tickerkit doctor nats://…`: finds problems of brokers, of a stream, and of its maker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tickerkit.brokers import NatsBroker, StreamAddress
from tickerkit.brokers.nats import (
    MIN_VERSION,
    NO_STREAM,
    SOUND_VERSION,
    format_version,
    parse_time,
)
from tickerkit.brokers.settings import DEFAULT_MAX_BYTES, MIN_MESSAGE_BYTES, find_misfits
from tickerkit.cli.findings import Finding
from tickerkit.errors import StreamError
from tickerkit.formatting import format_count, format_size
from tickerkit.ticks import NS_PER_S

if TYPE_CHECKING:
    from tickerkit.brokers.connection import Connection
    from tickerkit.streams import Stored

__all__ = ["examine_stream"]

MIN_REPLICAS = 3
# From here on clocks make the lag that relays report useless.
MAX_CLOCK_S = 0.5
# A server that holds a copy answers the leader at least each second.
MAX_SILENT_S = 3
UPDATE = f"update nats-server to {format_version(SOUND_VERSION)} or later"


async def examine_stream(address: StreamAddress) -> list[Finding]:
    """Return what was found about the servers of an address, the stream, and who writes it."""
    try:
        from tickerkit.brokers.connection import Connection
    except ImportError:
        fix = "pip install 'tickerkit[scale]'"
        return [Finding("nats-py", "is missing", fix, "problem")]
    findings: list[Finding] = []
    discovered: list[str] = []
    is_reached = False
    for server in address.servers:
        connection = Connection(replace(address, servers=(server,)))
        try:
            findings += [each async for each in _examine_server(connection, server)]
            is_reached = is_reached or connection.generation > 0
            discovered += connection.discovered
        finally:
            await connection.close()
    for server in dict.fromkeys(discovered):
        if server in address.servers:
            continue
        connection = Connection(replace(address, servers=(server,)))
        try:
            # It may be reachable for the other servers only.
            found = [each async for each in _examine_server(connection, server)]
            is_known = connection.generation > 0
            findings += found if is_known else [replace(each, level="note") for each in found]
        finally:
            await connection.close()
    if is_reached:
        findings += await _examine_broker(Connection(address), address)
    return findings


async def _examine_server(connection: Connection, server: str) -> AsyncIterator[Finding]:
    """Yield what is wrong with one server, or that nothing is."""
    try:
        await connection.connect()
    except StreamError as error:
        yield Finding("server", error.problem, error.fix, "problem")
        return
    version = connection.version
    about = f"{server} is nats-server {format_version(version)}"
    if version < MIN_VERSION:
        reason = "it can lose a stream when it is killed; tickerkit doesn't use it"
        yield Finding("server", f"{about}: {reason}", UPDATE, "problem")
    elif version < SOUND_VERSION:
        reason = "it can lose messages when servers join or leave the cluster"
        yield Finding("server", f"{about}: {reason}", UPDATE, "problem")
    else:
        yield Finding("server", about)
    largest = connection.max_payload_bytes
    if largest < MIN_MESSAGE_BYTES:
        about = f"{server} accepts messages of {format_size(largest)} at most"
        fix = f"set max_payload to {MIN_MESSAGE_BYTES} or more; 1 MB is the default"
        yield Finding("max_payload", about, fix, "problem")


async def _examine_broker(connection: Connection, address: StreamAddress) -> list[Finding]:
    try:
        findings = [await _examine_account(connection)]
        if findings[0].level == "problem":
            return findings
        asked_ns = time.time_ns()
        try:
            info = await connection.call(f"STREAM.INFO.{address.stream}")
        except StreamError as error:
            if getattr(error, "code", 0) != NO_STREAM:
                return [*findings, Finding("stream", error.problem, error.fix, "problem")]
            about = f"there is no stream {address.name!r} yet; the first server that publishes"
            return [*findings, Finding("stream", f"{about} makes it", "", "note")]
        answered_ns = time.time_ns()
        findings += _judge_stream(info, address)
        findings += _judge_replicas(info)
        findings += _judge_clock(info, asked_ns, answered_ns)
        version = connection.version
    except StreamError as error:
        return [Finding("broker", error.problem, error.fix, "problem")]
    finally:
        await connection.close()
    is_usable = all(each.level != "problem" for each in findings)
    if is_usable and version >= MIN_VERSION:
        findings.append(await _examine_writer(address))
    return findings


async def _examine_account(connection: Connection) -> Finding:
    """Return whether JetStream is on, and what the account may hold."""
    try:
        info = await connection.call("INFO")
    except StreamError as error:
        if error.is_final:  # a right that is missing
            about = "this user may not see the account's limits"
            return Finding("JetStream", about, level="note")
        fix = "put `jetstream {}` into the servers' configuration, or wait for their leader"
        return Finding("JetStream", error.problem, fix, "problem")
    limits = info.get("limits", {})
    used, largest = info.get("storage", 0), limits.get("max_storage", -1)
    reserved = max(used, info.get("reserved_storage", 0))
    about = f"is on; {format_count(info.get('streams', 0), 'stream')}, {format_size(used)} in files"
    if largest >= 0:
        about += f" of {format_size(largest)}"
        if largest - reserved < DEFAULT_MAX_BYTES:
            left = format_size(max(largest - reserved, 0))
            taken = format_size(DEFAULT_MAX_BYTES)
            about += f"; {left} are left for a new stream, which takes {taken} by default"
            return Finding("JetStream", about, "pass --keep with a smaller size", "note")
    return Finding("JetStream", about)


def _judge_stream(info: dict[str, Any], address: StreamAddress) -> list[Finding]:
    """Return what the stream holds, and which of its settings don't fit."""
    config, state = info["config"], info["state"]
    is_mirror = bool(config.get("mirror"))
    findings = [
        Finding(
            misfit.setting,
            f"of {address.stream} is {misfit.value!r}: {misfit.reason}",
            f"it should be {misfit.expected}",
            "problem",
        )
        for misfit in find_misfits(config, address, is_maker=not is_mirror)
    ]
    held = f"{format_count(state['messages'], 'message')}, {format_size(state['bytes'])}"
    findings.append(Finding("stream", f"{address.stream} has {held}"))
    if config.get("storage") == "memory":
        about = "the stream is kept in memory, and is gone when its servers restart together"
        findings.append(Finding("storage", about, "", "note"))
    if config.get("max_bytes", -1) < 0 and not config.get("max_age"):
        about = "neither max_bytes nor max_age is set: the stream grows until the disk is full"
        findings.append(Finding("limits", about, "set one of them with the broker's tools", "note"))
    if config.get("max_consumers", -1) > 0:
        about = f"{config['max_consumers']} relays can read the stream at a time, not more"
        findings.append(Finding("max_consumers", about, "", "note"))
    return findings


def _judge_replicas(info: dict[str, Any]) -> list[Finding]:
    """Return how many servers hold the stream, and which of them lag."""
    replicas = info["config"].get("num_replicas", 1)
    cluster = info.get("cluster") or {}
    findings = []
    for each in cluster.get("replicas") or []:
        silent_s = each.get("active", 0) / NS_PER_S
        if each.get("offline") or silent_s > MAX_SILENT_S:
            state = f"is silent for {silent_s:,.0f} s"
        elif not each.get("current", True):
            state = "is behind"
        else:
            continue
        about = f"{each.get('name')}, which holds a copy of the stream, {state}"
        findings.append(Finding("replicas", about, "", "problem"))
    if replicas < MIN_REPLICAS:
        servers = "one server holds" if replicas == 1 else "two servers hold"
        about = f"{servers} the stream; without it nothing is published"
        if replicas == 2:
            about = f"{servers} the stream; without either nothing is published"
        fix = (
            "use three servers; until then set `sync_interval: always` in `jetstream {}`: without "
            "it, a power failure can lose the newest 2 minutes"
        )
        findings.append(Finding("replicas", about, fix, "note"))
    elif not findings:
        leader = cluster.get("leader") or "no server"
        findings.append(Finding("replicas", f"{replicas} servers hold the stream; {leader} leads"))
    return findings


def _judge_clock(info: dict[str, Any], asked_ns: int, answered_ns: int) -> list[Finding]:
    """Return how far the clocks of this machine and of the broker are apart."""
    theirs_ns = parse_time(info.get("ts"))
    if not theirs_ns:
        return []
    # The broker wrote its time between the question and the answer.
    early_s, late_s = (theirs_ns - asked_ns) / NS_PER_S, (theirs_ns - answered_ns) / NS_PER_S
    apart_s = 0.0 if late_s <= 0 <= early_s else min(early_s, late_s, key=abs)
    if abs(apart_s) < MAX_CLOCK_S:
        return [Finding("clock", f"this machine's and the broker's agree within {MAX_CLOCK_S} s")]
    which = "ahead of" if apart_s > 0 else "behind"
    about = (
        f"the broker's clock is {abs(apart_s):,.1f} s {which} this machine's; the lag that relays "
        "report is wrong by as much"
    )
    return [Finding("clock", about, "synchronize both with NTP", "note")]


async def _examine_writer(address: StreamAddress) -> Finding:
    """Return who has written the newest message, and when."""
    broker = NatsBroker(address)
    try:
        tail = await broker.tail()
    except StreamError as error:
        return Finding("maker", error.problem, error.fix, "problem")
    finally:
        await broker.close()
    return _judge_tail(tail, time.time_ns())


def _judge_tail(tail: Stored, now_ns: int) -> Finding:
    message = tail.message
    if message is None:
        if tail.stored_ns:
            about = "the newest message is not one of tickerkit's, or of a later version"
            return Finding("maker", about, "", "note")
        return Finding("maker", "nothing was published yet", "", "note")
    about = f"epoch {message.epoch} was published up to seq {message.last:,}"
    if tail.stored_ns:
        about += f", {max(now_ns - tail.stored_ns, 0) / NS_PER_S:,.1f} s ago"
    if message.kind == "end":
        about += "; its source has ended"
    return Finding("maker", about)
