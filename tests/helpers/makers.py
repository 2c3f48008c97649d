"""A maker on a broker in memory: a log, and the publisher that writes it."""

from __future__ import annotations

from memory_broker import MemoryBroker, Task, wait
from wires import publish

from tickerkit.errors import StreamError
from tickerkit.log import Gaps, TickLog
from tickerkit.streams import Publisher

__all__ = ["Maker", "drive", "pieces"]


async def drive(publisher: Publisher, broker: MemoryBroker) -> None:
    """Run a publisher on a broker, until it is fenced."""
    while publisher.fenced_by is None:
        try:
            if publisher.needs_tail:
                await publisher.read_tail(broker)
            elif (put := publisher.next_put()) is not None:
                publisher.take_ack(await broker.put(*put))
            else:
                await wait()
        except StreamError:
            publisher.doubt()
            await wait()


class Maker:
    """A log, and the publisher that writes it to a broker.

    Attributes:
        ended: whether the source has ended.
        task: runs the publisher.
    """

    def __init__(self, broker: MemoryBroker, epoch: str, keep: int = 1000) -> None:
        self.log = TickLog(keep, epoch=epoch)
        self.gaps = Gaps(self.log, forget=True)
        self.ended = False
        self.publisher = Publisher(self.log, self.gaps, lambda: self.ended)
        self.task = Task(drive(self.publisher, broker))

    def publish(self, count: int = 1) -> None:
        """Append ticks, and write all that the broker takes."""
        publish(self.log, count)
        self.run()

    def run(self) -> None:
        """Write all that the broker takes, also after an error."""
        for _ in range(3):
            self.task.run()


def pieces(broker: MemoryBroker) -> list[tuple[str, str, int, int]]:
    """Return the kind, epoch, seq and count of each message held."""
    return [(m.kind, m.epoch, m.seq, m.count) for m in broker.stored.values() if m is not None]
