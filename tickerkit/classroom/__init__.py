"""The classroom: tools that show what passes on a connection, and break it on purpose."""

from tickerkit.classroom.faults import random_faults
from tickerkit.classroom.lessons import Lesson, lesson
from tickerkit.classroom.proxy import FaultProxy
from tickerkit.classroom.tap_proxy import Tap
from tickerkit.classroom.tapping import tap
from tickerkit.wire import Fault

__all__ = ["Fault", "FaultProxy", "Lesson", "Tap", "lesson", "random_faults", "tap"]
