"""`midnight`: who is unanswered shortly before the day ends (SPEC 8; vectors by their number)."""

from tests.core.floor.seen import alerts, spans
from tests.core.look import told
from tests.laws.notation import at


def test_v59_before_midnight_each_mark_tells_of_those_who_wait_then() -> None:
    seen = told(
        *(
            "23:20:00 c | 谢谢",
            "23:30:00.000 c @d",
            "23:40:00 A human",
            "23:48:00 c @f",
            "23:50:00 A human @d",
        ),
        *("23:58:00 c @g", "+1 00:10:00 - system @clock"),
        clock=None,
    )
    assert spans(seen, "midnight") == [
        ("23:30:00", "23:45:00", "passed"),
        ("23:45:00", "23:50:00", "cleared"),
        ("23:55:00", "+1 00:00:00", "passed"),
    ]
    assert [a["value"]["waits"] for a in seen.alerts("midnight")] == [2, 1, 1]
    assert [a["severity"] for a in seen.alerts("midnight")] == ["warning", "warning", "critical"]
    assert seen.alerts("midnight")[0]["alert"] == "midnight|s|2026-11-21|23:30"


def test_an_alert_carries_at_most_twenty_messages_the_oldest() -> None:
    lines = [f"23:0{n // 60}:{n % 60:02} c @c{n} #m{n:02}" for n in range(25)]
    [alert] = [a for a in alerts(*lines, clock="23:31:00 - system @clock") if a.rule == "midnight"]
    assert alert.evidence == [f"m{n:02}" for n in range(20)]
    assert alert.since == at("23:00:00")
