"""Topics of one partition in one order (DESIGN decision 4). Pure.

Chat, orders and presence of a shop arrive on several topics, and after an outage one may be hours ahead. Taken as
they come, the shop's clock would run ahead with the fastest and every other record would be late. So records are
taken by *merge time*: the running maximum of record time in their topic. It never goes back, so no time stamp
can stop the merge. The facts do not depend on this order; only how much has to be corrected does.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from csstream.core.engine import Record


class Merge:
    """Records at hand of several topics, and in which order they are taken."""

    __slots__ = ("_queues", "_times", "_unread", "waived")

    def __init__(self, topics: Sequence[str]) -> None:
        self._queues: dict[str, deque[tuple[int, Record]]] = {topic: deque() for topic in topics}
        self._times = dict.fromkeys(topics, -1)
        self._unread = dict.fromkeys(topics, False)
        self.waived = dict.fromkeys(topics, 0)

    def add(self, topic: str, records: Iterable[Record]) -> None:
        """Records of one topic, in their order there."""
        queue = self._queues[topic]
        time = self._times[topic]
        for record in records:
            time = max(time, record.time_ms)
            queue.append((time, record))
        self._times[topic] = time

    def expect(self, topic: str, unread: bool) -> None:
        """Whether the topic has records that are not at hand yet."""
        self._unread[topic] = unread

    def at_hand(self) -> int:
        """How many records could be taken, now or later."""
        return sum(map(len, self._queues.values()))

    def last_offset(self, topic: str) -> int | None:
        """The offset of the newest record at hand of a topic; None if there is none."""
        queue = self._queues[topic]
        return queue[-1][1].offset if queue else None

    def take(self, limit: int, *, waive: bool = False) -> list[Record]:
        """At most `limit` records, in merge order, up to where no topic can still bring an earlier one.

        A topic with unread records and none at hand makes the others wait; `waive` gives that up, and is counted.
        """
        bound = None
        for topic, queue in self._queues.items():
            if not self._unread[topic]:
                continue
            if not queue:
                if not waive:
                    return []
                self.waived[topic] += 1
                continue
            last = queue[-1][0]
            bound = last if bound is None or last < bound else bound
        taken: list[Record] = []
        queues = [queue for queue in self._queues.values() if queue]
        while queues and len(taken) < limit:
            queue = min(queues, key=lambda q: q[0][0])
            if bound is not None and queue[0][0] > bound:
                break
            taken.append(queue.popleft()[1])
            if not queue:
                queues.remove(queue)
        return taken
