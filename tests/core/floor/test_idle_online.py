"""`idle_online`: signed on, silent, and customers wait (SPEC 8; vectors by their number)."""

from tests.core.floor.seen import spans
from tests.core.look import told
from tests.laws.notation import at


def test_v61_who_is_online_and_silent_while_customers_wait_is_told() -> None:
    seen = told(
        *("09:00:00 presence A online", "09:58:00 A human @e", "10:00:00 c>A", "10:02:00 A auto"),
        *("10:04:00 A human @d", "10:10:00 A human"),
        clock="10:30:00 - system @clock",
    )
    assert spans(seen, "idle_online") == [
        ("10:03:00", "10:04:00", "cleared"),
        ("10:09:00", "10:10:00", "cleared"),
    ]
    assert seen.alerts("idle_online")[0]["value"] == {"silent_ms": 300_000, "leg_ms": 180_000}


def test_whoever_gets_an_old_wait_back_by_a_mark_is_idle_from_the_mark_on() -> None:
    lines = ["10:00:00 presence A online", "10:00:00 c>A", "10:03:00 c>B #m", "10:06:00 spam m"]
    idle = told(*lines, clock="10:06:01 - system @clock").alerts("idle_online")
    assert [(a["agent"], a["ts"], a["end"]) for a in idle] == [("A", at("10:06:00"), None)]
