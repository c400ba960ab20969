"""Sums over shops and agents: only what adds up is added, so that percentiles stay exact or are not shown."""

from collections.abc import Sequence

from csstream.replay.figures import Row, whole


def summed(rows: Sequence[Row]) -> Row:
    """The columns that can be added, over all rows."""
    names = ("consulted", "replied_any", "replied_strict", "waits", "within_30", "responses")
    more = ("response_sum_ms", "abandoned", "expired")
    return {name: added([whole(row, name) for row in rows]) for name in (*names, *more)}


def added(values: Sequence[int | None]) -> int | None:
    """The sum; None if any was not computed: what is not known in one place is not known in all."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def mean_s(row: Row) -> float | None:
    """The mean response of a row in seconds; None without a sample."""
    number, total_ms = whole(row, "responses"), whole(row, "response_sum_ms")
    return total_ms / (1000 * number) if number and total_ms is not None else None


def by_waits(rows: Sequence[Row]) -> list[Row]:
    """Most waits first, ties by shop."""
    return sorted(rows, key=lambda row: (-(whole(row, "waits") or 0), str(row["shop"])))
