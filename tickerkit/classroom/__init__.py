"""The classroom: tools that show how connections break, and what survives it."""

from tickerkit.classroom.faults import Fault, random_faults
from tickerkit.classroom.proxy import FaultProxy

__all__ = ["Fault", "FaultProxy", "random_faults"]
