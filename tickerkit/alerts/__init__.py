"""Alerts: conditions on the ticks of a log that fire once for each crossing; no I/O, no clock."""

from tickerkit.alerts.condition import Firing
from tickerkit.alerts.event import AlertEvent, EventLog, event_frame
from tickerkit.alerts.judge import Fired, Judge, Watch
from tickerkit.alerts.spec import AlertSpec, parse_spec

__all__ = [
    "AlertEvent",
    "AlertSpec",
    "EventLog",
    "Fired",
    "Firing",
    "Judge",
    "Watch",
    "event_frame",
    "parse_spec",
]
