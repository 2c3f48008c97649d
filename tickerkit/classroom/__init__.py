"""The classroom: see and break a connection."""

from tickerkit.classroom.proxy import Fault, FaultProxy, weather

__all__ = ["Fault", "FaultProxy", "weather"]
