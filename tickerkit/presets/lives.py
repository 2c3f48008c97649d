"""Lives: what became of each subscription: asked, acked, live, quiet, mute or refused.

A venue may confirm a subscription and then send nothing, for hours. So a subscription is judged by
its own pace: it is quiet when nothing has come for many times its usual interval. It is mute only
when that is proved: the venue's REST interface has a newer trade than the websocket has sent.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Life", "Lives"]

MIN_QUIET_S = 10.0
# How many usual intervals without data make a subscription quiet.
QUIET_INTERVALS = 20.0
# Weight of the newest interval in the usual one.
WEIGHT = 0.05
# How long a refused subscription is not asked for again: it may have been refused for a moment.
REFUSED_S = 600.0


@dataclass(slots=True)
class Life:
    """One subscription: a channel of a symbol.

    Attributes:
        symbol: the symbol, as the venue spells it.
        channel: "trades" or "quotes".
        asked_at: when it was asked for; the clock is the caller's, in seconds.
        acked_at: when the venue confirmed it; None if it did not yet.
        last_at: when its newest data came; None before the first.
        interval_s: its usual time between two rows; 0 before the second.
        rows: how many rows have come.
        refusal: why the venue refused it; empty if it did not.
        refused_at: when it did.
        is_mute: whether it is proved that data is missing.
    """

    symbol: str
    channel: str
    asked_at: float
    acked_at: float | None = None
    last_at: float | None = None
    interval_s: float = 0.0
    rows: int = 0
    refusal: str = ""
    refused_at: float = 0.0
    is_mute: bool = False

    def add(self, rows: int, now: float) -> None:
        """Note that rows have come at `now`."""
        if self.last_at is not None:
            interval_s = max(now - self.last_at, 0.0) / rows
            # Many rows at once are many short intervals.
            weight = 1.0 - (1.0 - WEIGHT) ** min(rows, 50) if self.interval_s else 1.0
            self.interval_s += weight * (interval_s - self.interval_s)
        self.last_at = now
        self.rows += rows
        self.is_mute = False

    def quiet_after_s(self) -> float:
        """Return after how many seconds without data the subscription is quiet."""
        return max(MIN_QUIET_S, QUIET_INTERVALS * self.interval_s)

    def silent_since(self) -> float:
        """Return since when nothing has come."""
        return max(self.asked_at, self.acked_at or 0.0, self.last_at or 0.0)

    def is_silent(self, now: float) -> bool:
        """Return whether nothing has come for longer than usual."""
        return now - self.silent_since() > self.quiet_after_s()

    def status(self, now: float) -> str:
        """Return what became of it: "asked", "acked", "live", "quiet", "mute" or "refused"."""
        if self.refusal:
            return "refused"
        if self.is_mute:
            return "mute"
        if self.last_at is None or self.last_at < self.asked_at:
            return "asked" if self.acked_at is None else "acked"
        return "quiet" if self.is_silent(now) else "live"

    def refuse(self, reason: str, now: float) -> None:
        """Note that the venue refused it."""
        self.refusal, self.refused_at = reason, now

    def ask(self, now: float) -> None:
        """Note that it is asked for again, on a new connection."""
        self.asked_at, self.acked_at, self.refusal, self.is_mute = now, None, "", False


class Lives(dict[tuple[str, str], Life]):
    """The lives of all subscriptions, by symbol and channel."""

    def of(self, symbol: str, channel: str, now: float) -> Life:
        """Return the life of a subscription, which may begin now."""
        if (life := self.get((symbol, channel))) is None:
            life = self[symbol, channel] = Life(symbol, channel, now)
        return life

    def is_refused(self, symbol: str, channel: str, now: float) -> bool:
        """Return whether a subscription was refused a short time ago."""
        life = self.get((symbol, channel))
        return life is not None and bool(life.refusal) and now - life.refused_at < REFUSED_S
