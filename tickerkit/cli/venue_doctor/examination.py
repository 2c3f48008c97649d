"""Examination: all checks of one venue, in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from tickerkit.cli.findings import Finding
from tickerkit.cli.venue_doctor.data import is_mute, judge_clock, judge_data, judge_past
from tickerkit.cli.venue_doctor.past_trades import PastAnswer, ask_past_trades
from tickerkit.cli.venue_doctor.preset_lines import PresetLines
from tickerkit.cli.venue_doctor.probe import Arrivals, probe_socket
from tickerkit.cli.venue_doctor.sockets import judge_socket
from tickerkit.errors import InvalidArgument
from tickerkit.net.redaction import Redactor
from tickerkit.presets import Venue
from tickerkit.presets.files import list_presets, load_preset, read_preset
from tickerkit.presets.preset import Preset
from tickerkit.presets.spelling import spell
from tickerkit.sources.past_trades import fill_address

__all__ = ["Request", "examine", "list_requests"]

# REST may lag the websocket: it is asked again after this time.
RETRY_S = 1.5


@dataclass(frozen=True, slots=True)
class Request:
    """A venue to examine.

    Attributes:
        name: the venue.
        symbol: the symbol, as the venue spells it.
        listen_s: how long to receive at most.
        urls: the addresses of the sockets; empty for those of the preset.
        rest: the address that REST paths follow; None for that of the preset.
        may_skip: whether missing keys of the venue are a note, and not a problem.
    """

    name: str
    symbol: str
    listen_s: float
    urls: Sequence[str] = ()
    rest: str | None = None
    may_skip: bool = False

    @property
    def about(self) -> str:
        """A heading: the venue, the symbol, the preset, and the day when that was last checked."""
        checked = load_preset(self.name).checked
        return f"{self.name} {self.symbol}: the preset {self.name}.toml, checked {checked}"

    @classmethod
    def of(
        cls,
        name: str,
        symbol: str | None,
        listen_s: float,
        urls: Sequence[str] = (),
        rest: str | None = None,
    ) -> Request:
        """Return a request; without a symbol, for the first example of the preset.

        Raises:
            InvalidArgument: the venue is unknown, or the symbol can't be one of its.
        """
        preset = load_preset(name)
        text = preset.symbols.examples[0]
        if symbol:
            try:
                text = spell(name, preset.symbols, symbol)
            except InvalidArgument as error:
                raise InvalidArgument("symbol", symbol, error.expected) from None
        return cls(name, text, listen_s, urls, rest)


def list_requests(listen_s: float) -> list[Request]:
    """Return a request for each venue."""
    return [replace(Request.of(name, None, listen_s), may_skip=True) for name in list_presets()]


async def examine(request: Request) -> list[Finding]:
    """Return what is found of a venue; without the venue's keys, only that they are missing."""
    preset = load_preset(request.name)
    keys = {name: os.environ.get(variable, "") for name, variable in preset.keys.items()}
    if not all(keys.values()):
        variables = [preset.keys[name] for name, value in keys.items() if not value]
        about = "the venue sends nothing without a key of your own account"
        fix = f"set {' and '.join(variables)}"
        return [Finding("keys", about, fix, "note" if request.may_skip else "problem")]
    try:
        findings = await _examine(request, preset, keys)
    except Exception as error:
        about = f"the check failed: {type(error).__name__}: {error}"
        findings = [Finding("doctor", about, "please report this", "problem")]
    return [_hide(each, [value for value in keys.values() if value]) for each in findings]


async def _examine(request: Request, preset: Preset, keys: dict[str, str]) -> list[Finding]:
    lines = PresetLines(preset.name, read_preset(preset.name))
    # Order books are not examined.
    channels = {read.channel for socket in preset.sockets for read in socket.reads} - {"book"}
    venue = Venue(preset, [request.symbol], sorted(channels, reverse=True), keys)
    arrivals = Arrivals()
    asked_ns = time.time_ns()
    probes = []
    for number, socket in enumerate(preset.sockets):
        url = request.urls[number] if number < len(request.urls) else fill_address(socket.url, keys)
        probes.append(probe_socket(venue, number, socket, url, arrivals, request.listen_s))
    reports = await asyncio.gather(*probes)
    past = await _ask(request, preset, keys, arrivals)
    findings: list[Finding] = []
    for socket, report in zip(preset.sockets, reports, strict=True):
        findings += judge_socket(preset, socket, report, arrivals, lines)
    if any(report.open_s is not None for report in reports):
        is_cut = any(report.refusal or report.end or report.error for report in reports)
        listened_s = 0.0 if is_cut else request.listen_s
        mute = not is_cut and is_mute(arrivals, past, asked_ns)
        findings += judge_data(preset, arrivals, past, lines, listened_s, mute=mute)
    findings += judge_clock(preset, arrivals, past, lines)
    if preset.backfill is None:
        findings.append(Finding("REST", "the preset has none: trades of a break are a gap"))
    elif past is not None:
        findings += judge_past(preset, preset.backfill, arrivals, past, lines)
    return findings


async def _ask(
    request: Request, preset: Preset, keys: dict[str, str], arrivals: Arrivals
) -> PastAnswer | None:
    """Return the answer of REST; ask it again if it has none of the trades that have come."""
    if preset.backfill is None:
        return None
    base = request.rest or preset.backfill.base
    ids = {each.trade_id for each in arrivals.live if each.trade_id}
    ask = partial(
        ask_past_trades, preset, preset.backfill, base, request.symbol, keys, arrivals.live
    )
    past = await ask()
    if past.status == 200 and ids and ids.isdisjoint(each.trade_id for each in past.trades):
        await asyncio.sleep(RETRY_S)
        past = await ask()
    return past


def _hide(finding: Finding, secrets: Sequence[str]) -> Finding:
    """Return a finding without the venue's keys."""
    redactor = Redactor(secrets)
    about, fix = redactor.cut(finding.about), redactor.cut(finding.fix)
    for secret in secrets:  # short ones, too
        about, fix = about.replace(secret, "…"), fix.replace(secret, "…")
    return replace(finding, about=about, fix=fix)
