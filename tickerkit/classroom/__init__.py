"""The classroom: see and break a connection."""

from tickerkit.classroom.proxy import Fault, FaultProxy, random_faults

__all__ = ["Fault", "FaultProxy", "random_faults"]
