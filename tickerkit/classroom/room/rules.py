"""Rules: the times and counts by which the tasks of a class are judged."""

from __future__ import annotations

import msgspec

__all__ = ["Rules"]


class Rules(msgspec.Struct, frozen=True):
    """The times, in seconds, and the counts of the tasks.

    Attributes:
        listen_s: how long a client listens.
        pings: how many pings in a row it answers.
        pong_s: how long it may take for a pong.
        answers: how many right answers in a row it gives.
        answer_s: how long it may take for one.
        breaks: how many breaks it survives.
        back_s: how long it may take to be back.
        refuse_s: how long it is refused in a break of that kind.
        stall_s: how long nothing passes in a stall, before the reset.
        tries: how many attempts it may make in one second.
        second_s: how long a second of the rules is.
        slow_s: how long its wire is slow.
        slow_rate: how many messages a second then pass.
    """

    listen_s: float = 30.0
    pings: int = 3
    pong_s: float = 5.0
    answers: int = 3
    answer_s: float = 10.0
    breaks: int = 5
    back_s: float = 10.0
    refuse_s: float = 3.0
    stall_s: float = 5.0
    tries: int = 4
    second_s: float = 1.0
    slow_s: float = 8.0
    slow_rate: float = 1.0

    def speed_up(self, pace: float) -> Rules:
        """Return the rules with times that are shorter by a factor."""
        return msgspec.structs.replace(
            self,
            listen_s=self.listen_s / pace,
            pong_s=self.pong_s / pace,
            answer_s=self.answer_s / pace,
            back_s=self.back_s / pace,
            refuse_s=self.refuse_s / pace,
            stall_s=self.stall_s / pace,
            second_s=self.second_s / pace,
            slow_s=self.slow_s / pace,
            slow_rate=self.slow_rate * pace,
        )
