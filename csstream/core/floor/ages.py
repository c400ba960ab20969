"""Which waits reach a certain age, and when.

Every wait is a candidate and most are answered first, so a queue in order of time is enough: who is no longer waiting
is passed over. Only what a mark or a late event brings about has to be put in between.
"""

from bisect import insort
from collections import deque

from csstream.core.changes import OpenWait
from csstream.core.conversation import NEVER


class Ages:
    """Open `normal` waits on their way to `age_ms`."""

    def __init__(self, age_ms: int, waits: dict[str, OpenWait]) -> None:
        self.age_ms = age_ms
        self._waits = waits
        self._queue: deque[tuple[int, str]] = deque()

    def expect(self, customer: str, since: int, now: int) -> int:
        """A wait has begun, or is known of from now on; when it reaches the age, `NEVER` if it has."""
        due = since + self.age_ms
        if due < now:
            return NEVER
        queue = self._queue
        if queue and due < queue[-1][0]:
            insort(queue, (due, customer))
        else:
            queue.append((due, customer))
        return due

    def next_due(self) -> int:
        """When the next wait reaches the age if nobody answers."""
        queue = self._queue
        while queue:
            due, customer = queue[0]
            if self._waiting(due, customer):
                return due
            queue.popleft()
        return NEVER

    def reach(self, t: int) -> list[str]:
        """The customers whose wait reaches the age at `t`; nobody's may have before."""
        queue = self._queue
        found: list[str] = []
        while queue and queue[0][0] <= t:
            due, customer = queue.popleft()
            if self._waiting(due, customer):
                found.append(customer)
        return list(dict.fromkeys(found))

    def _waiting(self, due: int, customer: str) -> bool:
        wait = self._waits.get(customer)
        return wait is not None and not wait.closing and wait.since + self.age_ms == due
