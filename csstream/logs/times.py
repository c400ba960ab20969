"""Times as people write them become epoch milliseconds UTC.

Only what the mapping declares is tried, in its order, because 03/04/2026 is two different days and a guess
would be wrong silently. A time with an offset needs no zone. One without is local: when clocks are put
back and it happened twice, the first one is taken and counted; when they are put forward and it never
happened, the row is refused, since then the zone is likely wrong.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from csstream.events import MAX_TS_MS
from csstream.logs.fault import Fault, MappingError

DEFAULT = ("iso", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M")
NAMED = ("iso", "epoch_s", "epoch_ms", "excel")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SHEET_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - sheets count local days, without a zone
_NO_TIME = 10**17
_SHORTEST_ISO = len("2026-11-21T10:00")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")


def zone(name: str) -> tzinfo:
    """The zone of a name (`Asia/Shanghai`) or an offset (`+08:00`). Raises MappingError."""
    if offset := _OFFSET.fullmatch(name):
        delta = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-delta if offset[1] == "-" else delta)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise MappingError(
            f"timezone {name!r} is not known; use a name like Asia/Shanghai or +08:00"
        ) from None


def check_format(pattern: str) -> None:
    """Refuse a format that can never give an instant. Raises MappingError."""
    if pattern in NAMED:
        return
    if "%" not in pattern:
        raise MappingError(
            f"time format {pattern!r} is not known; use {', '.join(NAMED)} or a pattern like %Y-%m-%d %H:%M:%S"
        )
    if not ("%Y" in pattern or "%y" in pattern or "%c" in pattern or "%x" in pattern or "%G" in pattern):
        raise MappingError(f"time format {pattern!r} has no year: add %Y, or join it from another column")
    try:
        datetime.strptime(datetime(2026, 11, 21, tzinfo=UTC).strftime(pattern), pattern)  # noqa: DTZ007
    except ValueError as error:
        raise MappingError(f"time format {pattern!r}: {error}") from None


class TimeReader:
    """Reads the times of one field. `twice` counts local times that happened twice."""

    def __init__(self, formats: tuple[str, ...], timezone_name: str) -> None:
        self.formats = formats
        self.zone_name = timezone_name
        self.twice = 0
        self._zone = zone(timezone_name)
        self._readers = [_reader(pattern) for pattern in formats]

    def read(self, value: object) -> int:
        """Epoch milliseconds (finer digits cut off). Raises Fault where no declared format fits."""
        if isinstance(value, datetime):
            return self._ms(value)
        if isinstance(value, date):
            return self._ms(datetime.combine(value, time()))
        text = value if isinstance(value, str) else str(value)
        outside = None
        for reader in self._readers:
            try:
                at = reader(text)
            except (ValueError, OverflowError, InvalidOperation):
                continue
            if isinstance(at, datetime):
                return self._ms(at)
            try:
                return _in_range(at)
            except Fault as fault:
                outside = outside or fault  # milliseconds, read as seconds: perhaps a later format fits
        raise outside or Fault(
            f"no time in the formats {', '.join(self.formats)}",
            "add its format to `times` in the mapping",
        )

    def _ms(self, at: datetime) -> int:
        if at.tzinfo is None:
            at = at.replace(tzinfo=self._zone)
            first, second = at.utcoffset(), at.replace(fold=1).utcoffset()
            if first != second:
                assert first is not None
                assert second is not None
                if first < second:
                    raise Fault(
                        f"this local time did not happen in {self.zone_name}: clocks were put forward",
                        "check `timezone` in the mapping",
                    )
                self.twice += 1
        return _in_range((at - _EPOCH) // _MS)


def _in_range(ms: int) -> int:
    if not 0 <= ms <= MAX_TS_MS:
        raise Fault("a time before 1970 or after 9999", "check the unit: epoch_s or epoch_ms")
    return ms


def _reader(pattern: str) -> Callable[[str], datetime | int]:
    if pattern == "iso":
        return _iso
    if pattern == "epoch_s":
        return lambda text: int(_number(text) * 1000)
    if pattern == "epoch_ms":
        return lambda text: int(_number(text))
    if pattern == "excel":
        return lambda text: _SHEET_ZERO + timedelta(milliseconds=round(_number(text) * 86_400_000))
    return lambda text: datetime.strptime(text, pattern)  # noqa: DTZ007 - the mapping's zone is set later


def _iso(text: str) -> datetime:
    # A bare day would silently become midnight, so it must be declared as %Y-%m-%d.
    if len(text) < _SHORTEST_ISO:
        raise ValueError
    return datetime.fromisoformat(text)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    # Far beyond any time; and `1e999999` would become a million digits.
    if not abs(number) < _NO_TIME:
        raise ValueError
    return number
