"""Times of day, in ms of the local day: `08:00-23:00`, `23:30`; 24:00 is the end of a day and never its start."""

import re

from csstream.policy.durations import DAY_MS
from csstream.policy.kind import Kind
from csstream.policy.lists import by_comma, items
from csstream.policy.mistakes import Wrong, quoted


def _time_ms(text: object) -> int | None:
    match = (
        re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)|24:00", text, re.ASCII) if isinstance(text, str) else None
    )
    if not match:
        return None
    return DAY_MS if match[1] is None else int(match[1]) * 3_600_000 + int(match[2]) * 60_000


def _time_text(ms: int) -> str:
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}"


def span(off: str, *, over_midnight: bool) -> Kind:
    """Two times of day, in ms of the local day; `off` (or `none`) is read as None.

    With `over_midnight` the second may be of the next day, else it must come after the first.
    """

    def read(value: object, path: str, wrong: Wrong) -> tuple[int, int] | None:
        if value in (off, "none"):
            return None
        start, _, end = value.partition("-") if isinstance(value, str) else ("", "", "")
        start_ms, end_ms = _time_ms(start.strip()), _time_ms(end.strip())
        if start_ms is None or end_ms is None or start_ms == DAY_MS:
            wrong(path, f'must be two times of day, not {quoted(value)}: write "08:00-23:00", or "{off}"')
            return None
        if over_midnight:
            if start_ms == end_ms % DAY_MS:
                wrong(
                    path, f'must leave some of the day, not {quoted(value)}: write "01:00-08:30", or "{off}"'
                )
        elif start_ms >= end_ms:
            wrong(
                path,
                f"must end after it starts, within one local day, not {quoted(value)}: 24:00 is the latest end",
            )
        return start_ms, end_ms

    return Kind(read, lambda span: off if span is None else "-".join(map(_time_text, span)))


def _read_times(value: object, path: str, wrong: Wrong) -> tuple[int, ...]:
    times: list[int] = []
    for at, item in items(value, path, wrong, '["23:30", "23:45"]'):
        ms = _time_ms(item)
        if ms is None or ms == DAY_MS:
            wrong(at, f'must be a time of day before 24:00, not {quoted(item)}: write "23:30"')
        elif times and ms <= times[-1]:
            wrong(at, f'must be later than the one before, "{_time_text(times[-1])}", not {quoted(item)}')
        else:
            times.append(ms)
    return tuple(times)


TIMES = Kind(_read_times, lambda times: [_time_text(ms) for ms in times], by_comma)
