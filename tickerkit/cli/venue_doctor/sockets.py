"""Findings about one socket: its name, TLS, HTTP, the subscription and pings."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus

from tickerkit.cli.findings import Finding
from tickerkit.cli.venue_doctor.preset_lines import PresetLines
from tickerkit.cli.venue_doctor.probe import Arrivals, SocketReport
from tickerkit.formatting import format_count, format_line
from tickerkit.presets.preset import Preset, Socket
from tickerkit.sources.messages import OPEN_TIMEOUT_S

__all__ = [
    "BUSY_STATUSES",
    "REGION_FIX",
    "REGION_STATUSES",
    "check_network",
    "judge_socket",
    "look_up",
]

REGION_STATUSES = (403, 451)
BUSY_STATUSES = (418, 429)
REGION_FIX = "use another network, or the venue's address for your region: --url, --rest"


def look_up(preset: Preset) -> str:
    """Return where to read whether a line of a preset is still true."""
    return f"see whether this line is still true: {preset.sources[0]}"


def check_network(preset: Preset) -> str:
    """Return what to do if nothing answers at an address of a preset."""
    fix = "check this machine's network and firewall; if other sites work"
    return f"{fix}, {look_up(preset)}"


def judge_socket(
    preset: Preset, socket: Socket, report: SocketReport, arrivals: Arrivals, lines: PresetLines
) -> Iterator[Finding]:
    """Yield what is found of one socket, in the order in which a connection is made."""
    url_line = lines.find("socket", "url", socket=report.number)
    host = urlsplit(report.url).hostname or report.url
    if report.name_error is not None and not report.proxy:
        about = f"{host} has no address ({report.name_error.strerror})"
        yield Finding("name", about, check_network(preset), "problem", url_line)
        return
    if report.proxy:
        about = f"{host} is reached through the proxy {report.proxy}"
        fix = "if a check below fails, the proxy may be why: try without it"
        yield Finding("name", about, fix, "note")
    else:
        more = len(report.addresses) - 1
        rest = f", and {format_count(more, 'further address')[:-1]}es" if more > 1 else ""
        yield Finding("name", f"{host} is {report.addresses[0]}{rest}")
    if report.error is not None:
        yield _judge_failure(preset, report, url_line, lines)
        return
    is_tls = report.url.startswith("wss:")
    yield Finding("TLS", report.tls or ("version not known" if is_tls else "not used by ws://"))
    yield Finding("HTTP", f"{report.url} opened in {report.open_s or 0:.2f} s")
    yield from _judge_subscription(preset, socket, report, arrivals, lines)
    yield from _judge_pings(preset, socket, report, lines)


def _judge_failure(
    preset: Preset, report: SocketReport, url_line: str, lines: PresetLines
) -> Finding:
    """Return why the websocket did not open."""
    error = report.error
    if isinstance(error, ssl.SSLCertVerificationError):
        about = f"the certificate is not trusted: {error.verify_message}"
        fix = "check this machine's clock, and whether a proxy or virus scanner opens TLS"
        return Finding("TLS", about, fix, "problem")
    if isinstance(error, ssl.SSLError):
        about = f"no encrypted connection: {format_line(str(error))}"
        return Finding("TLS", about, "check whether a proxy or firewall interferes", "problem")
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in REGION_STATUSES:
            about = f"HTTP {status}: the venue refuses this network or region"
            return Finding("HTTP", about, REGION_FIX, "problem", url_line)
        if status in BUSY_STATUSES:
            after = error.response.headers.get("Retry-After")
            wait = f"wait {format_line(after)} s" if after else "wait some minutes"
            about = f"HTTP {status}: too many connections from this network"
            line = lines.find("socket", "connects_per_minute", socket=report.number)
            return Finding("HTTP", about, f"{wait}, then try again", "problem", line)
        if status >= 500:
            about = f"HTTP {status}: the venue is down, or in maintenance"
            return Finding("HTTP", about, "try again later", "problem")
        about = f"HTTP {status}: this address is not a websocket: {report.url}"
        return Finding("HTTP", about, look_up(preset), "problem", url_line)
    if isinstance(error, TimeoutError):
        about = f"{report.url} did not answer within {OPEN_TIMEOUT_S:g} s"
    elif isinstance(error, ConnectionRefusedError):
        about = f"{report.url} refused the connection"
    else:
        about = f"{report.url} did not open: {type(error).__name__}: {format_line(str(error))}"
    return Finding("HTTP", about, check_network(preset), "problem", url_line)


def _judge_subscription(
    preset: Preset, socket: Socket, report: SocketReport, arrivals: Arrivals, lines: PresetLines
) -> Iterator[Finding]:
    """Yield whether the venue took the subscription, and kept the connection."""
    name = "subscription"
    number = report.number
    if report.refusal is not None:
        about = f"{report.refusal.value} {report.refusal.problem}"
        examples = ", ".join(preset.symbols.examples)
        fix = f"check the symbol (it is written like {examples}); if it exists, {look_up(preset)}"
        line = lines.find("socket.subscribe", "send", socket=number)
        yield Finding(name, about, fix, "problem", line)
    elif not socket.acks:
        yield Finding(name, "sent; this venue confirms none")
    elif report.ack_s is not None:
        yield Finding(name, f"confirmed after {report.ack_s:.2f} s")
    elif report.asked_s is None:
        about = "was not sent: the venue's greeting did not come"
        line = lines.find("socket.begin", socket=number)
        yield Finding(name, about, look_up(preset), "problem", line)
    else:
        about = "no confirmation came" + (", but data did" if arrivals.first_s else "")
        entry = ("socket.ack", "when") if arrivals.first_s else ("socket.subscribe", "send")
        line = lines.find(*entry, socket=number)
        yield Finding(name, about, look_up(preset), "problem", line)
    if report.end:
        about = f"the venue ended the connection ({format_line(report.end)})"
        fix = "check the symbol: some venues answer an unknown one like this"
        yield Finding("connection", about, fix, "problem")


def _judge_pings(
    preset: Preset, socket: Socket, report: SocketReport, lines: PresetLines
) -> Iterator[Finding]:
    """Yield which pings were answered."""
    if not report.has_pinged:
        return
    if report.protocol_ping_s is not None:
        yield Finding("protocol ping", f"answered after {report.protocol_ping_s:.2f} s")
    else:
        about = "not answered; tickerkit does not disconnect for that"
        yield Finding("protocol ping", about, level="note")
    if socket.ping is None:
        return
    if report.own_ping_s is not None:
        yield Finding("venue's ping", f"answered after {report.own_ping_s:.2f} s")
    else:
        about = "no answer to it came: the venue may end connections after a while"
        line = lines.find("socket", "ping", socket=report.number)
        yield Finding("venue's ping", about, look_up(preset), "problem", line)
