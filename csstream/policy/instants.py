"""Instants and time zones: a time without an offset is refused, because it is another one on another machine."""

import difflib
import zoneinfo
from datetime import UTC, datetime, timedelta

from csstream.policy.kind import Kind
from csstream.policy.mistakes import Wrong, quoted


def _read_instant(value: object, path: str, wrong: Wrong) -> int:
    instant = value
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        wrong(path, f"must be a time with an offset, not {quoted(value)}: write `2026-11-21T00:00:00+08:00`")
        return 0
    ms = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    if ms < 0:
        wrong(
            path, f"must not be before 1970, not {quoted(value)}: write `1970-01-01T00:00:00Z` for ever since"
        )
    return ms


def _instant_text(ms: int) -> str:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return instant.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


INSTANT = Kind(_read_instant, _instant_text)


def _read_zone(value: object, path: str, wrong: Wrong) -> str:
    try:
        if isinstance(value, str):
            zoneinfo.ZoneInfo(value)
            return value
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        pass  # told below: whatever the reason, it is no name of a zone
    near = difflib.get_close_matches(str(value), zoneinfo.available_timezones(), 1, 0.6)
    wrong(
        path,
        f"must be an IANA time zone, not {quoted(value)}: write `{near[0] if near else 'Asia/Shanghai'}`",
    )
    return str(value)


ZONE = Kind(_read_zone, str)
