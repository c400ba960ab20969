"""Durations: `30s`, `1h30m`, `15d` or whole seconds in a file, integer milliseconds everywhere else (SPEC 2)."""

import re

from csstream.policy.kind import Kind
from csstream.policy.mistakes import Wrong, quoted

DAY_MS = 86_400_000
LONGEST_MS = 3650 * DAY_MS  # ten years: beyond it a duration is a slip of the pen
BOUNDS_S = (5, 10, 15, 20, 30, 45, 60, 100, 180, 300, 600, 1800)
"""SPEC 5: the histogram knows the share within these."""

_DURATION = re.compile(r"(?=\d)(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_UNITS_MS = (DAY_MS, 3_600_000, 60_000, 1000)


def duration_text(ms: int) -> str:
    """The duration in the largest unit of days, hours, minutes and seconds that divides it, so that equal ones read the same."""
    unit, size = next(
        ((unit, size) for unit, size in zip("dhm", _UNITS_MS, strict=False) if ms % size == 0), ("s", 1000)
    )
    return f"{ms // size}{unit}" if ms else "0s"


def duration_ms(value: object, path: str, wrong: Wrong, least_s: int = 1) -> int | None:
    """The duration in ms (`1h30m`, or a whole number of seconds), or None where that was wrong; SPEC 2."""
    ms = None
    if isinstance(value, int) and not isinstance(value, bool):
        ms = value * 1000
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        ms = sum(int(count or 0) * size for count, size in zip(match.groups(), _UNITS_MS, strict=True))
    if ms is None:
        wrong(
            path,
            f"must be a duration, not {quoted(value)}: write `30s`, `10m`, `1h30m`, `15d` or whole seconds",
        )
        return None
    if not least_s * 1000 <= ms <= LONGEST_MS:
        wrong(path, f"must be from {least_s}s to {duration_text(LONGEST_MS)}, not {quoted(value)}")
        return None
    return ms


def seconds_or_text(text: str) -> object:
    """What `--set` text stands for where a bare number is a number and all else is text."""
    return int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else text


def duration(least_s: int = 1, *, off: bool = False) -> Kind:
    """Durations of at least `least_s` seconds; with `off`, `none` too, which is read as None."""

    def read(value: object, path: str, wrong: Wrong) -> int | None:
        return None if off and value == "none" else duration_ms(value, path, wrong, least_s)

    return Kind(read, lambda ms: "none" if ms is None else duration_text(ms), seconds_or_text)


def _read_headline(value: object, path: str, wrong: Wrong) -> int | None:
    ms = duration_ms(value, path, wrong)
    if ms is not None and ms not in [bound * 1000 for bound in BOUNDS_S]:
        known = ", ".join(f"{bound}s" for bound in BOUNDS_S)
        wrong(path, f"must be a bound of the histogram, not {quoted(value)}: one of {known}")
    return ms


def _read_days(value: object, path: str, wrong: Wrong) -> int:
    ms = duration_ms(value, path, wrong, 0)
    if ms is not None and ms % DAY_MS:
        wrong(path, f"must be whole days, not {quoted(value)}: write `3d` (a bare number is seconds)")
    return (ms or 0) // DAY_MS


HEADLINE = Kind(_read_headline, duration_text, seconds_or_text)
"""A duration that is a bound of the histogram."""

DAYS = Kind(_read_days, lambda days: f"{days}d", seconds_or_text)
"""A duration of whole days, read as their number."""
