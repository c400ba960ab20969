"""`hung_with_waits`, `offline_with_waits`: an agent left while customers wait (SPEC 8; vectors by their number)."""

from tests.core.floor.seen import spans
from tests.core.look import told


def test_v58a_who_hangs_up_and_drops_out_is_told_of_twice() -> None:
    signs = ("10:00:20 presence A hung", "10:00:40 presence A away", "10:01:00 presence A offline")
    seen = told("10:00:00 c>A", *signs, "10:02:00 presence A online", clock="10:02:01 - system @clock")
    assert spans(seen, "hung_with_waits") == [("10:00:50", "10:01:00", "cleared")]
    assert spans(seen, "offline_with_waits") == [("10:01:30", "10:02:00", "cleared")]
    severities = [a["severity"] for a in seen.audit.alerts if a["rule"].endswith("_with_waits")]
    assert severities == ["warning", "critical"]


def test_v58b_only_a_leg_that_is_let_lie_is_told() -> None:
    seen = told(
        *("09:00:00 presence A hung", "10:00:00 c>A", "10:00:30 A human"),
        *("10:01:00 c>A @d", "10:01:31 transfer A>B @d"),
        clock="10:05:00 - system @clock",
    )
    assert spans(seen, "hung_with_waits") == [("10:01:30", "10:01:31", "cleared")]
    assert seen.alerts("hung_with_waits")[0]["value"] == {"waits": 1}
