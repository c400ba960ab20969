"""`feed_silent`: nothing comes from a shop on duty (SPEC 8; vectors by their number)."""

from csstream.core.calendar import Calendar
from csstream.core.changes import Sign, Word
from csstream.core.floor.floor import Floor
from tests.core.floor.seen import spans, times
from tests.core.look import chosen, told
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


def test_agents_who_come_and_go_all_day_leave_one_reminder_behind() -> None:
    floor = Floor(chosen(), Calendar("Asia/Shanghai"), "s", lambda _agent, _ts: None)
    for minute in range(600):
        t = at("09:00:00") + minute * 60_000
        state = ("online", "hung")[minute % 2]
        floor.play([Word(t, f"w{minute}", "", "A"), Sign(t + 1, f"s{minute}", f"A{minute % 7}", state, None)])
    assert len(floor.scene.dues) < 10
