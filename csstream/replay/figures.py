"""How figures read: a number that was not computed, or has no sample, is a dash and never a zero (SPEC).

Ratios keep their numerator and denominator beside them and are rounded half up from whole numbers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = Mapping[str, Cell]
"""Columns of SPEC 10 by name; None is an empty cell (no sample, or not computed)."""

NONE = "–"


def whole(row: Row, name: str) -> int | None:
    """A count of a row; None if it was not computed."""
    value = row.get(name)
    return int(value) if isinstance(value, int | float) else None


def seconds(row: Row, name: str) -> float | None:
    """A measure of a row in seconds; None without a sample."""
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None


def share(row: Row, part: str, total: str) -> float | None:
    """part / total as 0..1; None without a sample."""
    over, under = whole(row, part), whole(row, total)
    return over / under if over is not None and under else None


def count(value: int | None) -> str:
    """`12,345`."""
    return NONE if value is None else f"{value:,}"


def percent(part: int | None, total: int | None) -> str:
    """`46.68 %`, half up."""
    if part is None or not total:
        return NONE
    hundredths = (20_000 * part + total) // (2 * total)
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def yuan(fen: int | None) -> str:
    """`1,234.56`."""
    return NONE if fen is None else f"{fen // 100:,}.{fen % 100:02d}"


def length(value_s: float | None) -> str:
    """A measured time: `23.4 s`, from two minutes on `3m 05s`, from two hours on `2h 01m`."""
    if value_s is None:
        return NONE
    tenths = int(value_s * 10 + 0.5)
    if tenths < 1200:
        return f"{tenths // 10}.{tenths % 10} s"
    whole_s = int(value_s + 0.5)
    minutes, rest = divmod(whole_s, 60)
    if minutes < 120:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def span(ms: int) -> str:
    """An exact time: `41 s`, `30m`, `30m 01s`, from an hour on `2d 00:00:00`; milliseconds where there are any."""
    whole_s, part = divmod(ms, 1000)
    fraction = f".{part:03d}".rstrip("0") if part else ""
    if whole_s < 120:
        return f"{whole_s}{fraction} s"
    minutes, rest = divmod(whole_s, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}{fraction}s" if rest or part else f"{minutes}m"
    days, left = divmod(minutes, 1440)
    clock = f"{left // 60:02d}:{left % 60:02d}:{rest:02d}{fraction}"
    return f"{days}d {clock}" if days else clock


def local(ms: int, zone: ZoneInfo) -> str:
    """An instant on the shop's clock, with milliseconds where there are any."""
    shown = datetime.fromtimestamp(ms // 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    return shown + (f".{ms % 1000:03d}" if ms % 1000 else "")
