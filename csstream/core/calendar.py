"""Local days and hours of a shop (SPEC: times are UTC milliseconds, days are the shop's own).

Days are asked for with every message, so a day is looked up once in a quarter of an hour of event time and
remembered; offsets of all zones in use since 1970 are whole quarters, what is not is checked anyway.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_QUARTER_MS = 900_000
_REMEMBERED = 4_096


class Day(NamedTuple):
    """One local day: its name `YYYY-MM-DD`, and its half-open span in epoch milliseconds."""

    name: str
    start_ms: int
    end_ms: int


class Calendar:
    """The local calendar of one time zone. A cache, and so one per engine; its answers are pure."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._days: dict[int, Day] = {}

    def day(self, ts_ms: int) -> Day:
        """The local day that holds `ts_ms`."""
        quarter = ts_ms // _QUARTER_MS
        found = self._days.get(quarter)
        if found is not None and found.start_ms <= ts_ms < found.end_ms:
            return found
        local = datetime.fromtimestamp(ts_ms // 1000, UTC).astimezone(self._zone)
        found = Day(
            local.date().isoformat(),
            self._midnight(local.date()),
            self._midnight(local.date() + timedelta(1)),
        )
        if len(self._days) >= _REMEMBERED:
            self._days.clear()
        self._days[quarter] = found
        return found

    def time_of_day_ms(self, ts_ms: int) -> int:
        """Milliseconds on the local clock since 00:00 (the clock on the wall, so 0 to 86,399,999)."""
        day = self.day(ts_ms)
        if day.end_ms - day.start_ms == 86_400_000:
            return ts_ms - day.start_ms
        local = datetime.fromtimestamp(ts_ms // 1000, UTC).astimezone(self._zone)
        return (local.hour * 3600 + local.minute * 60 + local.second) * 1000 + ts_ms % 1000

    def instant(self, ts_ms: int, time_of_day_ms: int) -> int:
        """When the local clock shows a time of day, on the local day that holds `ts_ms`.

        Of a time that comes twice it is the first; one that the change of clocks leaves out comes as much later.
        """
        day = self.day(ts_ms)
        if day.end_ms - day.start_ms == 86_400_000:
            return day.start_ms + time_of_day_ms
        minutes, ms = divmod(time_of_day_ms, 60_000)
        local = datetime.combine(date.fromisoformat(day.name), time(minutes // 60, minutes % 60), self._zone)
        return min(int(local.timestamp()) * 1000 + ms, day.end_ms - 1)

    def named(self, name: str) -> Day:
        """The local day of a name, `YYYY-MM-DD`."""
        return self.day(self._midnight(date.fromisoformat(name)))

    def days_after(self, day: Day, days: int) -> int:
        """The end of a day so many local days later, in epoch milliseconds."""
        end = day.end_ms
        for _ in range(days):
            end = self.day(end).end_ms
        return end

    def within(self, ts_ms: int, hours: tuple[int, int] | None) -> bool:
        """Whether the local time lies in the half-open `hours` (ms of the day; None is always)."""
        return hours is None or hours[0] <= self.time_of_day_ms(ts_ms) < hours[1]

    def _midnight(self, day: date) -> int:
        # Where 00:00 does not exist, zoneinfo takes the offset before the change: the instant of the change.
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * 1000
