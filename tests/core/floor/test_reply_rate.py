"""`reply_rate`: the share answered today is below the target (SPEC 8; vectors by their number)."""

from tests.core.floor.seen import clock, spans, times
from tests.core.look import told
from tests.laws.notation import at


def test_v62_the_reply_rate_counts_who_was_answered_or_left_alone() -> None:
    lines = []
    for n, time in enumerate(times("10:00:00", 60_000, 20)):
        lines.append(f"{time} c @c{n}")
        if n < 19:
            lines.append(f"{clock(at(time) + 10_000)} A human @c{n}")
    for n, time in enumerate(times("11:00:00", 60_000, 20)):
        lines += [f"{time} c @d{n}", f"{clock(at(time) + 10_000)} A human @d{n}"]
    seen = told(*lines, clock="12:00:00 - system @clock")
    assert spans(seen, "reply_rate") == [("10:24:00", "11:13:10", "cleared")]
    [alert] = seen.alerts("reply_rate")
    assert (alert["value"], alert["since"]) == ({"replied": 19, "settled": 20}, at("10:19:00"))
