"""The classroom: tools that break connections, to show which data survive."""

from tickerkit.classroom.faults import Fault, random_faults
from tickerkit.classroom.proxy import FaultProxy

__all__ = ["Fault", "FaultProxy", "random_faults"]
