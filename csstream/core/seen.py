"""Which events may have come in before: a quick no for nearly all of them (SPEC 3, duplicates).

An event is compared with the kept ones of its customer only if it may be a copy, and only what lies within
`lateness.horizon` of it can be one. So the ids of a shop's last few horizons are remembered, as hashes in two
generations, instead of a set for every customer; for what is older the customer himself is asked.
"""

from csstream.core.conversation import NEVER
from csstream.core.rows import ChapterRow, decode_named

LEAST_MS = 60_000
"""Horizons shorter than this make no shorter generations."""


class Seen:
    """The events of one shop that came in lately. It may say "perhaps" of a new event, never "no" of a copy."""

    __slots__ = ("_before", "_began", "_horizon", "_length", "_now", "_unread", "covers_ms")

    def __init__(self, horizon_ms: int, clock_ms: int = -1) -> None:
        self._length = 2 * max(horizon_ms, LEAST_MS)
        self._horizon = horizon_ms
        self._now: set[int] = set()
        self._before: set[int] = set()
        self._unread: list[ChapterRow] = []
        # The shop's clock when `_before` began, and when `_now` did: whatever is newer than the first is in one of them.
        self.covers_ms = self._began = -NEVER if clock_ms < 0 else clock_ms - 2 * self._length

    def perhaps(self, customer: str, name: str, ts: int, clock_ms: int) -> bool:
        """Whether a copy of an event may be known; notes the event. The shop's clock shows `clock_ms`."""
        if clock_ms > self._began + self._length:
            self.covers_ms, self._began = self._began, clock_ms
            self._before, self._now = self._now, set()
        key = hash((customer, name))
        now = self._now
        known = len(now)
        now.add(key)
        if len(now) == known:
            return True
        if self._unread:
            self._read(self._unread.pop())
            return True
        # What neither generation knows came in before both, and so is not newer than the clock was then.
        return key in self._before or ts - self._horizon <= self.covers_ms

    def restore(self, chapter: ChapterRow) -> None:
        """Note events that came in before a restart: all newer than `covers_ms` have to be.

        Reading them takes long, and is put off: one chapter an event, and until all are read, perhaps each is known.
        """
        if chapter.newest_ms > self.covers_ms:
            self._unread.append(chapter)

    def _read(self, chapter: ChapterRow) -> None:
        names = [decode_named(event).id for event in chapter.events]
        self._now.update(map(hash, zip(chapter.customers, names, strict=True)))
