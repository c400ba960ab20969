"""Vectors V52-V55 of SPEC 8, and what a step publishes: live, with late events and marks."""

from collections.abc import Sequence

from csstream.core.engine import Step
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.policy import load, with_settings
from csstream.runner import Runner
from tests.laws.live import TOPICS, drive, feed, records_of
from tests.laws.notation import at, chat

HANDBOOK = load("handbook")


class Live:
    """A partition that is fed conversations and shown clocks; keeps each step it committed."""

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self.steps: list[Step] = []
        self.store = Store()
        self.runner = Runner(
            with_settings(HANDBOOK, settings), MemoryLedger(self.store), TOPICS, on_step=self.steps.append
        )
        drive(self.runner.open())
        self._said = 0

    def hears(self, *lines: str, wall: str | None = None, days: int = 0) -> "Live":
        """Events come in and make one step; the wall clock shows `wall` then."""
        events = chat(*lines)
        for event in events:
            if event["id"].startswith("e"):
                event["id"] = f"e{self._said:03}"
                self._said += 1
        offsets = self.runner.positions
        records = [r._replace(offset=r.offset + offsets[r.topic]) for r in records_of(events)]
        feed(self.runner, records)
        drive(self.runner.step(None if wall is None else at(wall, days)))
        return self

    def alerts(self, over_s: int) -> list[tuple[str, str | None]]:
        """What was published of a level, in order: (state, local time of its end)."""
        found = []
        for alert in self.store.alerts:
            if alert.rule == "wait" and alert.value["over_s"] == over_s:
                second = None if alert.end is None else (alert.end - at("00:00:00")) // 1000
                found.append(
                    (
                        alert.state,
                        None
                        if second is None
                        else f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}",
                    )
                )
        return found


def test_v52_a_reply_that_comes_in_late_takes_back_the_level_it_was_in_time_for() -> None:
    live = Live().hears("10:00:00 c>A", wall="10:00:45").hears("10:00:20 A human", wall="10:00:46")
    assert live.alerts(15) == [("firing", None), ("resolved", "10:00:20")]
    assert live.alerts(30) == [("firing", None), ("retracted", None)]
    [wait] = live.store.facts
    assert (wait.rev, wait.retracted) == (1, False), "the wait had not been concluded before"


def test_v53_each_earlier_reply_moves_the_end_and_the_last_takes_the_level_back() -> None:
    live = Live().hears("10:00:00 c>A", wall="10:00:39")
    live.hears("10:00:40 A human", wall="10:00:41")
    live.hears("10:00:35 B human", wall="10:00:42")
    live.hears("10:00:25 A human", wall="10:00:43")
    assert live.alerts(30) == [
        ("firing", None),
        ("resolved", "10:00:40"),
        ("resolved", "10:00:35"),
        ("retracted", "10:00:35"),
    ]
    assert live.alerts(15) == [
        ("firing", None),
        ("resolved", "10:00:40"),
        ("resolved", "10:00:35"),
        ("resolved", "10:00:25"),
    ]
    waits = [fact for fact in live.store.facts if fact.fact.startswith("wait|")]
    assert [wait.rev for wait in waits] == [1, 2, 3]
    assert [getattr(wait, "answered_by") for wait in waits] == ["A", "B", "A"]  # noqa: B009 - of one kind of fact


def test_v54_what_begins_and_ends_in_one_step_is_published_once_and_nobody_is_told() -> None:
    live = Live().hears("10:00:00 c>A", "10:00:40 A human", "10:30:00 c>A @d")
    assert live.alerts(15) == [("resolved", "10:00:40")]
    assert live.alerts(30) == [("resolved", "10:00:40")]


def test_v55_a_spam_mark_takes_levels_back_and_its_removal_brings_them_again() -> None:
    live = Live().hears("10:00:00 c>A #m1", wall="10:00:45").hears("10:01:00 spam m1", wall="10:01:10")
    live.hears("10:01:20 spam m1 off", wall="10:01:30")
    for over_s in (15, 30):
        assert live.alerts(over_s) == [("firing", None), ("retracted", None), ("firing", None)]


def test_a_level_fires_at_its_own_instant_however_late_the_clock_is_looked_at() -> None:
    live = Live().hears("10:00:00 c>A", wall="10:00:05").hears(wall="10:05:00")
    assert [alert.ts - at("10:00:00") for alert in live.store.alerts] == [15_000, 30_000, 100_000, 180_000]


def test_a_level_fires_with_no_event_at_all_once_the_wall_clock_is_past_it() -> None:
    live = Live().hears("10:00:00 c>A", wall="10:00:15")
    assert live.alerts(15) == [], "at exactly the deadline the reply may still come"
    assert live.hears(wall="10:00:15.001").alerts(15) == [("firing", None)]


def test_an_old_log_is_worked_off_by_its_own_time() -> None:
    live = Live().hears("10:00:00 c>A", "10:00:20 c>A @d", wall="10:00:00", days=8)
    assert live.alerts(15) == [("firing", None)], "the newest event is 20 s on"
    assert live.alerts(30) == [], "the wall clock of eight days later is not this shop's"


def test_a_lost_first_message_that_comes_in_late_gives_the_wait_another_id() -> None:
    live = Live().hears("10:00:30 c>A #m2", wall="10:00:50").hears("10:00:00 c>A #m1", wall="10:00:51")
    named = [
        (alert.alert.split("|")[4], alert.alert.rsplit("|")[-1], alert.state) for alert in live.store.alerts
    ]
    assert named == [
        ("m2", "15", "firing"),
        ("m2", "15", "retracted"),
        ("m1", "15", "firing"),
        ("m1", "30", "firing"),
    ]


def test_beyond_the_horizon_an_event_is_set_aside_and_changes_nothing_else() -> None:
    live = Live().hears("10:00:00 c>A", "10:00:10 A human").hears("10:30:00 c>A", "10:19:59 A human #late")
    [letter] = live.store.dead_letters
    assert letter.reason == "too_late"
    assert "lateness.horizon" in letter.error
    assert live.runner.process.dead_letters == {("cs.chat", "too_late"): 1}
    live.hears("10:30:30 A human")
    waits = [fact for fact in live.store.facts if fact.fact.startswith("wait|")]
    assert [(wait.rev, getattr(wait, "ms")) for wait in waits] == [(1, 10_000), (1, 30_000)]  # noqa: B009


def test_an_hours_late_feed_of_orders_sets_no_chat_aside() -> None:
    live = Live().hears("10:00:00 c>A", "10:00:10 A human").hears("12:00:00 presence A online")
    live.hears("10:05:00 c>A", "10:05:10 A human")
    assert live.store.dead_letters == []
    assert live.runner.process.events["cs.chat", "late"] == 2


def test_an_event_from_the_future_is_set_aside_and_moves_no_clock() -> None:
    live = Live().hears("10:00:00 c>A", "11:00:00 c>A @d", wall="10:00:01")
    assert [letter.reason for letter in live.store.dead_letters] == ["future"]
    assert live.runner.engine.shops["s"].row.clock_ms == at("10:00:01")


def test_an_agent_who_closes_the_window_is_reported_at_once_and_until_the_wait_ends() -> None:
    live = Live().hears("10:00:00 c>A", "10:00:02 session window_closed agent A", wall="10:00:03")
    live.hears("10:00:10 A human", wall="10:00:11")
    closed = [alert for alert in live.store.alerts if alert.rule == "closed_while_waiting"]
    assert [(alert.state, alert.agent, alert.outcome) for alert in closed] == [
        ("firing", "A", None),
        ("resolved", "A", "answered"),
    ]


def test_two_steps_in_one_and_one_step_in_two_count_the_same_in_the_metrics() -> None:
    lines = ["10:00:00 c>A", "10:00:40 A human", "10:01:00 c>B @d", "10:01:05 B human @d", "12:00:00 c>A @x"]
    whole, parts = Live().hears(*lines), Live()
    for line in lines:
        parts.hears(line)
    counted = {
        name: value
        for name, labels, value in whole.runner.engine.readings()
        if name in ("waits_started_total", "waits_ended_total", "breaches_total", "response_seconds")
    }
    assert counted["waits_started_total"] == 3
    assert sorted(map(str, whole.runner.engine.readings())) == sorted(
        map(str, parts.runner.engine.readings())
    )
