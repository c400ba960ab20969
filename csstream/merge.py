"""Topics of one partition in one order (DESIGN decision 4). Pure.

Chat, orders and presence of a shop arrive on several topics, and after an outage one may be hours ahead. Taken as
they come, the shop's clock would run ahead with the fastest and every other record would be late. So records are
taken by *merge time*: the running maximum of record time in their topic. It never goes back, so no time stamp
can stop the merge. The facts do not depend on this order; only how much has to be corrected does.

What is done here once a record is done by the interpreter's own loops: at tens of thousands of records a second
even a call a record is too much.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from operator import attrgetter

from csstream.core.engine import Record

_TIME = attrgetter("time_ms")
_VALUE = attrgetter("value")
_COMPACT = 4_096  # used records that lie before the next one, before they are let go


class _Queue:
    """The records at hand of one topic, each with its merge time and the bytes up to and with it."""

    __slots__ = ("at", "before", "bytes", "records", "time", "times", "unread")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.times: list[int] = []
        self.bytes: list[int] = []
        self.at = 0
        self.before = 0  # bytes up to `at`
        self.time = -1  # merge time of the newest that ever came
        self.unread = False

    def add(self, records: Sequence[Record]) -> None:
        times = list(map(_TIME, records))
        if times[0] < self.time or times != sorted(times):  # most come in order, which is far quicker to see
            times = list(accumulate(times, max, initial=self.time))[1:]
        sizes = accumulate(map(len, map(_VALUE, records)), initial=self.bytes[-1] if self.bytes else 0)
        next(sizes)
        self.records += records
        self.times += times
        self.bytes += sizes
        self.time = times[-1]

    def size(self) -> int:
        return self.bytes[-1] - self.before if self.bytes else 0

    def drop(self, number: int) -> None:
        """Let go of the next `number`: they are taken."""
        self.at += number
        if self.at == len(self.records):
            self.records, self.times, self.bytes, self.at, self.before = [], [], [], 0, 0
            return
        self.before = self.bytes[self.at - 1] if self.at else 0
        if self.at >= _COMPACT and 2 * self.at > len(self.records):
            del self.records[: self.at], self.times[: self.at], self.bytes[: self.at]
            self.at = 0


class Merge:
    """Records at hand of several topics, and in which order they are taken."""

    __slots__ = ("_queues", "waived")

    def __init__(self, topics: Sequence[str]) -> None:
        self._queues = {topic: _Queue() for topic in topics}
        self.waived = dict.fromkeys(topics, 0)

    def add(self, topic: str, records: Iterable[Record]) -> None:
        """Records of one topic, in their order there."""
        records = list(records)
        if records:
            self._queues[topic].add(records)

    def expect(self, topic: str, unread: bool) -> None:
        """Whether the topic has records that are not at hand yet."""
        self._queues[topic].unread = unread

    def at_hand(self, topic: str | None = None) -> int:
        """How many records could be taken, now or later, of one topic or of all."""
        queues = self._queues.values() if topic is None else (self._queues[topic],)
        return sum(len(queue.records) - queue.at for queue in queues)

    def bytes_at_hand(self, topic: str) -> int:
        """The size of the values at hand of a topic."""
        return self._queues[topic].size()

    def first(self, topic: str) -> tuple[int, int] | None:
        """Offset and merge time of the next record at hand of a topic; None if there is none."""
        queue = self._queues[topic]
        return (
            None
            if queue.at == len(queue.records)
            else (queue.records[queue.at].offset, queue.times[queue.at])
        )

    def newest_ms(self, topic: str) -> int:
        """The merge time of the newest record that came, taken or not; -1 before the first."""
        return self._queues[topic].time

    def last_offset(self, topic: str) -> int | None:
        """The offset of the newest record at hand of a topic; None if there is none."""
        records = self._queues[topic].records
        return records[-1].offset if records else None

    def starved(self) -> list[str]:
        """Topics that make the others wait: they have unread records, and none at hand."""
        return [topic for topic, queue in self._queues.items() if queue.unread and not queue.records]

    def take(self, limit: int, most_bytes: int = 1 << 62, *, waive: bool = False) -> list[Record]:
        """At most `limit` records of `most_bytes` (but one), in merge order, up to where no topic can still bring
        an earlier one.

        A topic with unread records and none at hand makes the others wait; `waive` gives that up, and is counted.
        """
        starved = self.starved()
        if starved and not waive:
            return []
        for topic in starved:
            self.waived[topic] += 1
        bounds = [queue.times[-1] for queue in self._queues.values() if queue.unread and queue.times]
        bound = min(bounds, default=None)
        parts: list[tuple[_Queue, int]] = []
        for queue in self._queues.values():
            stop = len(queue.times) if bound is None else bisect_right(queue.times, bound, queue.at)
            # One record is taken whatever its size, so that none can stop the others.
            full = max(bisect_right(queue.bytes, queue.before + most_bytes, queue.at), queue.at + 1)
            stop = min(stop, full, queue.at + limit)
            if stop > queue.at:
                parts.append((queue, stop))
        if len(parts) == 1:
            [(queue, stop)] = parts
            taken = queue.records[queue.at : stop]
            queue.drop(len(taken))
            return taken
        return _merged(parts, limit, most_bytes)


def _merged(parts: list[tuple[_Queue, int]], limit: int, most_bytes: int) -> list[Record]:
    """The first records of several queues by merge time; of one time in the order of the queues."""
    times = list(chain.from_iterable(queue.times[queue.at : stop] for queue, stop in parts))
    records = list(chain.from_iterable(queue.records[queue.at : stop] for queue, stop in parts))
    order = sorted(range(len(times)), key=times.__getitem__)[:limit]  # runs in order already: one pass
    sizes = list(accumulate(len(records[n].value) for n in order))
    order = order[: max(1, bisect_right(sizes, most_bytes))]
    begin = 0
    places = sorted(order)
    for queue, stop in parts:
        end = begin + stop - queue.at
        queue.drop(bisect_right(places, end - 1) - bisect_right(places, begin - 1))
        begin = end
    return [records[n] for n in order]
