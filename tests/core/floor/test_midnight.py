"""`midnight`: who is unanswered shortly before the day ends (SPEC 8; vectors by their number)."""

import pytest

from csstream.core import COMPILED
from csstream.core.engine import Engine
from csstream.core.floor.floor import Floor
from tests.core.floor.seen import alerts, spans
from tests.core.look import chosen, told
from tests.laws.live import records_of
from tests.laws.notation import at, chat


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


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The instants at which a floor comes to stop."""
    if COMPILED:
        pytest.skip("what machine code calls cannot be watched")
    found: list[int] = []
    come_to = Floor._come_to

    def counted(floor: Floor, t: int) -> None:
        found.append(t)
        come_to(floor, t)

    monkeypatch.setattr(Floor, "_come_to", counted)
    return found


@pytest.mark.parametrize("live", [False, True])
def test_an_absurd_date_ends_no_audit_in_a_walk_through_the_days(live: bool, stops: list[int]) -> None:
    far = "+2000000 12:00:00 c @e"
    lines = ("10:00:00 presence A online", "10:00:00 c>A", "10:00:40 A human", "+1 23:29:00 c @d")
    if live:
        engine = Engine(chosen())
        told_of: set[str] = set()
        for record in records_of(chat(*lines, far)):
            engine.apply([record])
            engine.advance()
            told_of |= {alert.alert for alert in engine.take_step().alerts}
    else:
        told_of = {alert.alert for alert in alerts(*lines, clock=far)}
    assert len([name for name in told_of if name.startswith("midnight|")]) == 6  # as long as `d` waits
    assert stops[-1] == at("12:00:00", 2_000_000)
    assert len(stops) < 100
