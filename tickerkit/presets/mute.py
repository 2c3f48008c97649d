"""MuteCheck: proves by past trades that a subscription brings nothing although there are trades.

Silence alone proves nothing: a symbol may not trade. So REST is asked. A trade that REST has, and
that has not come by the websocket a while later, is the proof. It has to be newer than all that
came, or, if nothing came yet, newer than the first answer.
"""

from __future__ import annotations

__all__ = ["MuteCheck"]

CHECK_EVERY_S = 20.0
# How long the websocket may be behind REST.
CONFIRM_S = 3.0


class MuteCheck:
    """The checks of one symbol since its newest trade came.

    Attributes:
        due_at: when the next check is due, if the subscription is silent then.
        rank: how urgent it is, the smallest first: 0 to confirm a suspicion, 1 for the first two
            checks, 2 (`ROUTINE`) for a subscription that was found to be quiet.
    """

    ROUTINE = 2

    def __init__(self) -> None:
        self.due_at = float("-inf")
        self.rank = 1
        self._baseline = 0
        self._suspect = 0
        self._confirm_at = 0.0

    def begin(self, now: float) -> None:
        """Note that a check is made."""
        # Used if no answer comes: a suspicion is checked again sooner.
        every_s = CONFIRM_S if self._suspect else CHECK_EVERY_S
        self.due_at, self.rank = now + every_s, 0 if self._suspect else self.ROUTINE

    def is_mute(self, newest: int, in_rest: int, now: float) -> bool:
        """Take an answer; return whether it is proved that trades do not come.

        Args:
            newest: the newest id that the websocket has brought; 0 for none. Where ids do not
                rise, the newest time.
            in_rest: the newest id, or time, that REST has; 0 for none.
            now: the time.
        """
        if self._suspect and now >= self._confirm_at:
            if newest < self._suspect:
                self._baseline = self._suspect = 0
                return True
            self._suspect = 0
        self.due_at, self.rank = now + CHECK_EVERY_S, self.ROUTINE
        baseline = newest or self._baseline
        if not baseline:
            self._baseline = in_rest
            if in_rest:
                self.due_at, self.rank = now + CONFIRM_S, 1
        elif in_rest > baseline and not self._suspect:
            self._suspect, self._confirm_at = in_rest, now + CONFIRM_S
        if self._suspect:
            self.due_at, self.rank = self._confirm_at, 0
        return False
