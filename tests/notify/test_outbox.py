"""What is sent, and when (SPEC 8, "Sending"): by example, on invented days."""

import ast
import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace

from csstream.notify import outbox
from csstream.notify.message import Answer
from csstream.notify.target import Quiet, Rate, Route, Target
from tests.notify.days import NO, PERHAPS, Day, T, alert, ended, level, retracted, to
from tests.test_house import PURE_LIBRARY, imports

DING = Rate.of(20)


def test_an_alert_is_told_after_it_settled_and_once_more_when_it_has_ended() -> None:
    day = Day()
    one = level("w", 30)
    day.at(30.2, one)
    day.at(95, ended(one, 95))
    day.until(200)
    assert day.told() == [(31.2, "firing", "wait|w|30"), (95, "ended", "wait|w|30")]
    assert day.count("sent") == 2


def test_what_ends_before_it_could_be_sent_is_told_to_nobody() -> None:
    day = Day()
    one, other = level("w", 15), level("v", 15)
    day.at(15.1, one, other)
    day.at(16, ended(one, 16), retracted(other))
    day.until(60)
    assert day.told() == []
    assert day.count("settled") == 2


def test_what_begins_and_ends_in_one_step_is_told_to_nobody() -> None:
    day = Day()
    day.at(1800, ended(level("w", 15), 40), ended(level("w", 30), 40))  # V54
    day.until(1900)
    assert day.told() == []
    assert [key for key in day.rows if b"alert" in key and b"read" not in key] == []


def test_each_id_is_told_once_however_often_it_is_corrected() -> None:
    day = Day()
    low, high = level("w", 15), level("w", 30)
    day.at(15, low)
    day.at(30, high)  # V53
    day.at(40, ended(low, 40), ended(high, 40))
    day.at(41, ended(low, 35), ended(high, 35))
    day.at(42, retracted(high), ended(low, 25))
    day.until(100)
    assert day.told() == [
        (16, "firing", "wait|w|15"),
        (31, "firing", "wait|w|30"),
        (40, "ended", "wait|w|30"),
    ]


def test_what_fires_again_after_a_correction_is_not_told_again() -> None:
    day = Day()
    low, high = level("w", 15), level("w", 30)
    day.at(15, low)
    day.at(30, high)  # V55
    day.at(60, retracted(low), retracted(high))
    day.at(80, low, high)
    day.at(95, ended(low, 95), ended(high, 95))
    day.until(200)
    assert day.told() == [
        (16, "firing", "wait|w|15"),
        (31, "firing", "wait|w|30"),
        (60, "ended", "wait|w|30"),
    ]


def test_a_lower_level_is_not_told_while_a_higher_one_of_its_wait_stands() -> None:
    day = Day()
    levels = [level("w", over) for over in (15, 30, 100)]
    day.at(110, *levels, level("v", 15, 95))
    day.until(112)
    assert day.told() == [(111, "firing", "wait|w|100"), (111, "firing", "wait|v|15")]
    assert day.count("inhibited") == 2
    day.at(120, retracted(levels[2]))  # now the next one speaks for the wait
    day.until(130)
    assert day.told()[2:] == [(120, "firing", "wait|w|30"), (120, "ended", "wait|w|100")]


def test_the_end_of_a_wait_is_told_once_for_all_its_levels() -> None:
    day = Day()
    levels = [level("w", over) for over in (15, 30, 100)]
    for one in levels:
        day.at((one.ts - T) / 1000, one)
    day.at(150, *(ended(one, 150) for one in sorted(levels, key=lambda one: one.alert)))
    day.until(200)
    assert day.told()[3:] == [(150, "ended", "wait|w|100")]


def test_a_level_that_had_not_settled_leaves_the_end_to_the_level_below() -> None:
    day = Day()
    low, high = level("w", 15), level("w", 30)
    day.at(15, low)
    day.at(30, high)
    day.at(30.5, ended(low, 30.5), ended(high, 30.5))
    day.until(100)
    assert day.told() == [(16, "firing", "wait|w|15"), (30.5, "ended", "wait|w|15")]


def test_an_end_that_passed_by_itself_is_not_told() -> None:
    day = Day()
    mark = alert("midnight|s|2026-11-21|23:30")
    day.at(0, mark)
    day.at(900, ended(mark, 900, "passed"))
    day.until(1000)
    assert day.told() == [(1, "firing", mark.alert)]


def test_a_storm_is_two_messages() -> None:
    day = Day()
    before = level("w0", 30, -10)
    storm = alert("storm|s|50", 50, severity="critical", value={"waits": 21, "open_waits": 30})
    day.at(20, before)
    waits = [level(f"w{n}", 30, 20 + n / 10) for n in range(1, 40)]
    breach = level("long", 180, -100)
    day.at(50.1, waits[0])  # read a moment before the storm
    day.at(50.2, storm, *waits[1:])
    day.at(80, breach)
    over = replace(storm, state="resolved", end=T + 110_000, outcome="cleared", value={"waits": 90})
    day.at(110, over)
    day.at(111, level("after", 30, 80.5))
    day.until(300)
    stormy = {storm.alert, breach.alert, "wait|after|30", before.alert}
    assert [(at, kind, one) for at, kind, one in day.told() if one in stormy] == [
        (21, "firing", before.alert),
        (51.2, "firing", storm.alert),
        (81, "firing", breach.alert),
        (110, "ended", storm.alert),
        (112, "firing", "wait|after|30"),
    ]
    assert day.count("inhibited") == len(waits)


def test_a_storm_covers_its_waits_for_good_and_those_that_come_in_after_its_end_too() -> None:
    day = Day()
    storm = alert("storm|s|50", 50, severity="critical")
    day.at(50, storm, level("a", 30, 25))
    day.at(110, replace(storm, state="resolved", end=T + 110_000, outcome="cleared"))
    day.at(112, level("b", 30, 75))  # fired at 105, read late
    day.open()
    day.until(600)
    assert day.told() == [(51, "firing", storm.alert), (110, "ended", storm.alert)]


def test_a_silent_feed_speaks_for_what_is_judged_by_it() -> None:
    day = Day()
    silent = alert("feed_silent|s|1", 0, severity="critical")
    day.at(0, silent, level("w", 30, -30), alert("overload|s|anna|1"), alert("complaint|s|1"))
    day.at(2, alert("reply_rate|t|1", 2, shop="t"))
    day.until(60)
    assert {one for _, _, one in day.told()} == {silent.alert, "complaint|s|1", "reply_rate|t|1"}
    day.at(60, ended(silent, 60, "cleared"))
    day.until(100)
    assert {one for _, _, one in day.told()} >= {"wait|w|30", "overload|s|anna|1"}


def test_stale_alerts_are_one_summary_of_what_still_stands() -> None:
    day = Day()
    old = [level(f"w{n}", 30, -400 + n) for n in range(8)]
    day.at(0, *old)
    day.at(4, ended(old[0], 4), level("x", 30, -300), level("fresh", 30, -40))
    day.until(13)
    assert day.told() == [(5, "firing", "wait|fresh|30")]
    day.until(100)
    assert day.told()[1:] == [(14, "summary", "8")]
    message = day.sent[-1][2]
    assert (message.firing, message.waits) == ({"wait": 8}, 8)
    assert [one.alert for one in message.alerts] == [f"wait|w{n}|30" for n in (1, 2, 3, 4, 5)]
    assert day.count("stale") == 9
    day.at(110, *(ended(one, 110) for one in old[1:]))
    day.until(200)
    assert len(day.told()) == 2  # who was only told in a summary is told no end


def test_every_shop_has_its_own_summary_also_after_a_crash() -> None:
    day = Day()
    day.at(0, level("w", 30, -400), level("v", 30, -400, shop="t"))
    day.open()
    day.until(30)
    assert day.told() == [(10, "summary", "1"), (10, "summary", "1")]
    assert {message.alerts[0].shop for _, _, message in day.sent} == {"s", "t"}
    day.open()
    day.until(100)
    assert len(day.sent) == 2


class Weighed(Day):
    """A day that weighs its rows."""

    largest = 0

    def keep(self) -> None:
        """Keep the rows that changed."""
        super().keep()
        self.largest = max(self.largest, *map(len, self.rows.values()), 0)


def test_no_summary_is_larger_than_a_record_of_kafka_and_none_is_left_out() -> None:
    day = Weighed()
    waits = [f"{'店' * 20}|{'客' * 42}|{'m' * 60}{n}" for n in range(1_250)]
    day.at(0, *(level(wait, over, -2_000) for wait in waits for over in (15, 30, 100, 180)))
    day.until(20)
    told = [message for _, _, message in day.sent]
    assert sum(message.firing["wait"] for message in told) == 4 * len(waits)
    assert day.largest < 900_000


def test_a_feed_that_lags_for_good_does_not_silence_its_shop() -> None:
    day = Day()
    for n in range(60):
        day.at(5 * n, level(f"w{n}", 30, 5 * n - 200))
    assert [at for at, kind, _ in day.told() if kind == "summary"] == [120, 240]


def test_a_robot_gets_no_more_than_twenty_messages_in_any_minute() -> None:
    day = Day(to("ops", rate=DING))
    for n in range(400):
        day.at(n / 4, level(f"w{n}", 30, n / 4 - 30))
    day.until(160)
    times = [at for at, _, _ in day.sent]
    assert max(len([t for t in times if at <= t <= at + 60]) for at in times) <= 20
    told = sum(sum(m.firing.values()) if m.kind == "digest" else 1 for _, _, m in day.sent)
    assert told == 400
    assert day.count("digested") == sum(sum(m.firing.values()) for _, _, m in day.sent)


def test_beyond_its_pace_a_sink_gets_a_digest_with_counts_and_the_oldest_five() -> None:
    day = Day(to("ops", rate=DING))
    waits = [level(f"w{n:03}", 30, -30 - n / 100) for n in range(1000)]
    day.at(0, *waits, alert("overload|s|anna|1"))
    day.until(30)
    (at, kind, count), *rest = day.told()
    assert (at, kind, count) == (1, "digest", "500")
    assert sum(int(count) for _, kind, count in rest if kind == "digest") + len(
        [1 for _, kind, _ in rest if kind == "firing"]
    ) == 501  # fmt: skip
    oldest = day.sent[0][2].alerts
    assert len(oldest) == 5
    assert oldest == sorted(oldest, key=lambda one: one.since)


def test_a_sink_that_is_away_is_tried_ever_more_rarely_and_told_in_the_end() -> None:
    day = Day()
    day.answers["ops"] = [NO] * 14
    one = level("w", 30)
    day.at(30, one)
    day.until(3600)
    times = [at for at, _, _ in day.sent]
    pauses = [round(b - a, 3) for a, b in itertools.pairwise(times)]
    assert 0.5 <= pauses[0] <= 1
    assert all(later <= 300 for later in pauses)
    assert pauses[-1] >= 150
    assert len(times) == 15
    assert len({message.id for _, _, message in day.sent}) == 1
    assert day.count("failed") == 14


def test_a_pause_that_a_sink_asks_for_is_kept() -> None:
    day = Day()
    day.answers["ops"] = [Answer(False, "slow down", retry_after_ms=120_000)]
    day.at(30, level("w", 30))
    day.until(400)
    assert [at for at, _, _ in day.sent] == [31, 151]


def test_what_ends_while_its_sink_is_away_is_told_to_nobody() -> None:
    day = Day()
    one = level("w", 30)
    day.answers["ops"] = [NO] * 3
    day.at(30, one)
    day.at(33, ended(one, 33))
    day.until(600)
    assert all(kind == "firing" and at < 33 for at, kind, _ in day.told())
    assert day.count("settled") == 1


def test_what_may_have_arrived_is_sent_again_as_it_was_and_says_so() -> None:
    day = Day()
    day.answers["ops"] = [PERHAPS, PERHAPS]
    day.at(30, level("w", 30))
    day.until(60)
    first, second, third = (message for _, _, message in day.sent)
    assert first.id == second.id == third.id
    assert (first.repeat, second.repeat, third.repeat) == (False, True, True)


def test_what_may_have_arrived_and_has_ended_is_told_its_end() -> None:
    day = Day()
    one = level("w", 30)
    day.answers["ops"] = [PERHAPS]
    day.at(30, one)
    day.at(31.2, ended(one, 31.2))
    day.until(60)
    assert [kind for _, kind, _ in day.told()] == ["firing", "ended"]


def test_one_sink_that_is_away_holds_up_no_other() -> None:
    day = Day(to("ops", "mail"))
    day.answers["ops"] = [NO] * 100
    day.at(30, level("w", 30))
    day.until(60)
    assert day.told("mail") == [(31, "firing", "wait|w|30")]


def test_a_sink_that_is_down_for_long_is_stood_in_for() -> None:
    both = [
        Target("ops", (Route(("ops",)),), fallback="mail", fallback_after_ms=60_000),
        Target("mail", (Route(("mail",), rules=("storm",)),)),
    ]
    day = Day(both)
    day.answers["ops"] = [NO] * 8
    one, two = level("w", 30), level("v", 30, 100)
    day.at(30, one)
    day.until(89)
    assert day.told("mail") == []
    day.until(95)
    assert [kind for _, kind, _ in day.told("mail")] == ["firing"]
    day.at(130, two)
    day.open()
    day.until(200)
    assert [one for _, _, one in day.told("mail")] == ["wait|w|30", "wait|v|30"]
    day.at(900, ended(one, 900))
    day.until(1000)
    assert day.told("mail")[-1] == (900, "ended", "wait|w|30")
    assert day.told("ops")[-1] == (900, "ended", "wait|w|30")  # it is back, and was told as well


def test_routes_go_by_shop_group_severity_and_rule() -> None:
    routes = (
        Route(("ops",), shops=("s0*",), severity="critical"),
        Route(("mail",), groups=("vip",)),
        Route(("boss",), rules=("storm", "complaint")),
    )
    day = Day([Target(name, routes) for name in ("ops", "mail", "boss")])
    day.at(
        0,
        level("a", 100, -100, shop="s01"),
        level("b", 30, -30, shop="s01", group="vip"),
        level("c", 100, -100, shop="x"),
        alert("complaint|s|1"),
    )
    day.until(5)
    assert {sink: {one for _, _, one in day.told(sink)} for sink in ("ops", "mail", "boss")} == {
        "ops": {"wait|a|100"},
        "mail": {"wait|b|30"},
        "boss": {"complaint|s|1"},
    }


def test_in_quiet_hours_only_the_worst_is_told_and_the_rest_if_it_still_stands_after() -> None:
    quiet = Quiet(9 * 3_600_000, 10 * 3_600_000 + 60_000, "critical", "Asia/Shanghai")  # until 10:01
    day = Day(to("ops", quiet=quiet))
    first, second = alert("overload|s|a|1"), alert("overload|s|b|1")
    day.at(0, first, second, alert("complaint|s|1", severity="critical"))
    day.at(30, ended(first, 30))
    day.until(120)
    assert [(at, one) for at, _, one in day.told()] == [(1, "complaint|s|1"), (60, second.alert)]


@pytest.mark.parametrize(("hour", "held"), [(21, False), (22, True), (0, True), (7, True), (8, False)])
def test_quiet_hours_may_go_over_midnight(hour: int, held: bool) -> None:
    quiet = Quiet(22 * 3_600_000, 8 * 3_600_000, "critical", "Asia/Shanghai")
    assert quiet.holds("warning", T + (hour - 10) * 3_600_000) is held
    assert not quiet.holds("critical", T + (hour - 10) * 3_600_000)


def test_a_sink_that_groups_by_itself_is_told_all_and_reminded_of_what_stands() -> None:
    day = Day(to("ops", most=200, refresh_ms=60_000))
    waits = [level(f"w{n}", 30, -30) for n in range(5)]
    day.at(0, *waits)
    day.at(30, *(ended(one, 30) for one in waits[:3]))
    day.until(62)
    assert [(at, m.kind, len(m.alerts)) for at, _, m in day.sent] == [
        (1, "batch", 5),
        (30, "batch", 3),
        (60, "refresh", 2),
    ]
    assert day.count("sent") == 2


def test_order_within_a_shop_is_kept_while_an_alert_settles() -> None:
    day = Day()
    one, two = alert("overload|s|a|1"), alert("overload|s|b|1")
    day.at(0, one)
    day.until(5)
    day.at(5, two)
    day.at(5.2, ended(one, 5.2))
    day.until(10)
    assert [name for _, _, name in day.told()] == [one.alert, two.alert, one.alert]


def test_what_was_told_is_forgotten_two_days_after_its_end() -> None:
    day = Day()
    one = level("w", 30)
    day.at(30, one)
    day.at(40, ended(one, 40))
    assert any(b"wait" in key for key in day.rows)
    day.now += 47 * 3_600_000
    day.turn()
    assert any(b"wait" in key for key in day.rows)
    day.now += 2 * 3_600_000
    day.turn()
    assert not any(b"wait" in key for key in day.rows)


def test_the_age_of_the_oldest_that_should_have_been_told_is_known() -> None:
    day = Day()
    day.answers["ops"] = [NO] * 9
    assert dict(day.outbox.oldest_ms(day.now)) == {"ops": 0}
    day.at(30, level("w", 30))
    day.until(90)
    assert dict(day.outbox.oldest_ms(day.now)) == {"ops": 60_000}


def test_the_outbox_is_pure() -> None:
    for path in Path(outbox.__file__).parent.glob("*.py"):
        if path.stem in {"outbox", "standing", "marks", "message", "target", "neutral", "wording"}:
            for name in imports(path):
                allowed = name.split(".")[0] in PURE_LIBRARY | {"fnmatch", "msgspec", "csstream"}
                assert allowed, f"{path.name} imports {name}"
            tree = ast.parse(path.read_text("utf-8"))
            asked = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert not asked & {"utcnow", "today", "time_ns", "monotonic"}, path.name
