"""Quiet hours (SPEC 6): no reminder falls due in them, and they do not count in the grace.

Local, half-open, and they may cross midnight. Kept apart because both questions, when they end and how much of a
span they take, are asked of the wall clock in a zone whose days are not all 24 hours long.
"""

from typing import Final

from csstream.core.calendar import Calendar, Day

DAY_MS: Final = 86_400_000
QUARTER_MS: Final = 900_000
REMEMBERED: Final = 4_096
NEVER: Final = 1 << 60
"""An instant that does not come."""


class Quiet:
    """The quiet hours of a policy; `span` in ms of the local day, None: there are none."""

    __slots__ = ("_calendar", "_found", "_span")

    def __init__(self, calendar: Calendar, span: tuple[int, int] | None) -> None:
        self._calendar = calendar
        self._span = span
        self._found: dict[int, tuple[int, int, int]] = {}  # by quarter of an hour, what was asked for last

    def moved(self, ts: int) -> int:
        """The instant itself, or the end of the quiet hours that hold it."""
        start, end = self._next(ts)
        return end if start <= ts else ts

    def spend(self, ts: int, ms: int) -> int:
        """The instant at which `ms` have passed since `ts`, quiet hours not counted."""
        start, end = self._next(ts)
        while ts + ms > start:
            ms -= max(0, start - ts)
            ts = end
            start, end = self._next(ts)
        return ts + ms

    def _next(self, ts: int) -> tuple[int, int]:
        """The quiet hours that hold `ts`, else the next ones: [start, end)."""
        if self._span is None:
            return NEVER, NEVER
        quarter = ts // QUARTER_MS
        known = self._found.get(quarter)
        if known is not None and known[0] <= ts < known[2]:
            return known[1], known[2]
        first, last = self._span
        calendar = self._calendar
        day = calendar.day(calendar.day(ts).start_ms - 1)
        since = ts
        while True:
            following = calendar.day(day.end_ms)
            end = self._at(day if first < last else following, last)
            if ts < end:
                break
            since, day = end, following
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        start = self._at(day, first)
        self._found[quarter] = since, start, end
        return start, end

    def _at(self, day: Day, time_of_day_ms: int) -> int:
        if time_of_day_ms >= DAY_MS:
            return day.end_ms
        return self._calendar.instant(day.start_ms, time_of_day_ms)
