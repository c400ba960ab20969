"""The events of a shop as they were accepted, in rows that are written once (DESIGN 6).

A correction needs the events of days back, so they have to be kept; kept in the rows of their customers, each
would be written again with every word its customer says. Here they are told off one after the other, whoever they
are of: an event costs its own bytes, once, and a step of thousands of customers is one row. A row of a customer
then is no more than a mark: so far the chapters have been read.

A chapter ends when its newest event is out of reach of everything that may still come in (`Customer.kept_for`).
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from csstream.core.conversation import NEVER
from csstream.core.rows import ChapterRow

FULL_BYTES: Final = 131_072
"""A chapter is no longer than this and one event, so that a ledger can hold it."""

SHORT_BYTES: Final = 4_096
"""A chapter shorter than this goes on with the next step: quiet hours make few rows too."""


class Chapters:
    """The chapters of one shop; events count from 0, and a chapter is named by its first one."""

    __slots__ = ("_changed", "_ends", "_first", "_last", "_size", "place")

    def __init__(self, place: int = 0) -> None:
        self.place = place  # of the next event
        self._ends: deque[tuple[int, int]] = deque()  # (first place, newest event)
        self._last: ChapterRow | None = None
        self._first = place
        self._size = 0
        self._changed: dict[int, ChapterRow] = {}

    def write(
        self, customer: str, events: list[bytes], oldest_ms: int, newest_ms: int, forgotten_ms: int
    ) -> None:
        """Add what was accepted of a customer; the rest is what `ChapterRow` says of itself."""
        last = self._last
        if last is None or last.forgotten_ms != forgotten_ms:
            last = self._begin(forgotten_ms)
        _widen(last, oldest_ms, newest_ms)
        customers, kept = last.customers, last.events
        for event in events:
            if self._size >= FULL_BYTES:
                last = self._begin(forgotten_ms)
                _widen(last, oldest_ms, newest_ms)
                customers, kept = last.customers, last.events
            customers.append(customer)
            kept.append(event)
            self._size += len(event)
            self.place += 1
        self._changed[self._first] = last

    def _begin(self, forgotten_ms: int) -> ChapterRow:
        self._close()
        self._first = self.place
        self._last = self._changed[self.place] = ChapterRow(NEVER, -1, forgotten_ms, [], [])
        return self._last

    def _close(self) -> None:
        if self._last is not None:
            self._ends.append((self._first, self._last.newest_ms))
            self._last = None
        self._size = 0

    def changed(self) -> Iterator[tuple[int, ChapterRow]]:
        """The chapters that the step has written on, by their names; closes the step."""
        yield from self._changed.items()
        self._changed.clear()
        if self._size >= SHORT_BYTES:
            self._close()

    def restore(self, first: int, row: ChapterRow) -> None:
        """The next chapter, from its row."""
        self._close()
        self._first = first
        self._last = row
        self._size = sum(map(len, row.events))
        if self._size >= SHORT_BYTES:
            self._close()

    def newest_of_first(self) -> int:
        """The newest event of the chapter that ends first; `NEVER` if there is none."""
        if self._ends:
            return self._ends[0][1]
        return NEVER if self._last is None else self._last.newest_ms

    def end(self, limit_ms: int) -> list[int]:
        """End the chapters whose events are all before an instant; gives their names."""
        ended = []
        while self._ends and self._ends[0][1] < limit_ms:
            ended.append(self._ends.popleft()[0])
        if not self._ends and self._last is not None and self._last.newest_ms < limit_ms:
            ended.append(self._first)
            self._last = None
            self._size = 0
        return ended


def _widen(chapter: ChapterRow, oldest_ms: int, newest_ms: int) -> None:
    chapter.oldest_ms = min(chapter.oldest_ms, oldest_ms)
    chapter.newest_ms = max(chapter.newest_ms, newest_ms)


def chapter_name(first: int) -> str:
    """A chapter's name as it stands in a key: digits that sort."""
    return f"{first:012d}"
