"""`feed_silent`: nothing comes from a shop on duty (SPEC 8; vectors by their number)."""

from tests.core.floor.seen import spans, times
from tests.core.look import told
from tests.laws.notation import at


def test_v63_a_silent_feed_is_told_while_somebody_is_on_duty() -> None:
    on_duty = times("09:00:00", 200_000, 153)
    assert on_duty[-1] == "17:26:40"
    seen = told(
        *("08:00:00 shift A 08:30:00-17:30:00", "08:20:00 - system @x", "08:36:00 - system @x"),
        *("08:41:00 - system @x", *(f"{time} - system @x" for time in on_duty), "17:27:00 - system @x"),
        clock="20:00:00 - system @clock",
    )
    assert spans(seen, "feed_silent") == [
        ("08:35:00", "08:36:00", "cleared"),
        ("08:46:00", "09:00:00", "cleared"),
    ]
    assert [a["since"] for a in seen.alerts("feed_silent")] == [at("08:20:00"), at("08:41:00")]
    assert [a["value"]["silent_ms"] for a in seen.alerts("feed_silent")] == [900_000, 300_000]
