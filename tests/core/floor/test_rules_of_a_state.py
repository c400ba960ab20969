"""What a supervisor reads of the floor: whom a rule names, what it has seen, and what to do next (SPEC 8, kind s)."""

import msgspec
import pytest

from csstream.core.alert import Alert
from csstream.core.audit import Auditor
from csstream.core.floor.rulebook import FLOOR_RULES
from tests.core.look import chosen, told
from tests.core.test_live import Live
from tests.laws.notation import at, chat
from tests.laws.views import told_alerts


def alerts(*lines: str, clock: str = "12:00:00 - system @clock") -> list[Alert]:
    """The whole records of the rules of a state."""
    found = told_alerts(chat(*lines, clock), chosen())
    return sorted((a for a in found if a.rule in FLOOR_RULES), key=lambda a: (a.ts, a.alert))


FIVE = tuple(f"10:00:0{n} c>A @c{n} #m{n}" for n in range(5))


def test_new_customers_go_to_the_least_loaded_of_the_same_group_who_is_online() -> None:
    team = [f"09:00:00 profile {x} early" for x in "ABCDE"] + ["09:00:00 profile F late"]
    there = [f"09:01:00 presence {x} online" for x in "ABDEF"] + ["09:01:00 presence C hung"]
    busy = ["09:59:00 c>B @b1", "09:59:00 c>B @b2", "09:59:00 c>D @d", "09:59:00 c>E @e"]
    [alert] = [
        a for a in alerts(*team, *there, *busy, *FIVE, clock="10:00:10 - system @clock") if a.agent == "A"
    ]
    assert (alert.rule, alert.group, alert.divert_to) == ("overload", "early", "D")
    assert "D" in alert.summary["zh"]
    assert "D" in alert.summary["en"]


def test_nobody_is_named_where_nobody_is_free() -> None:
    [alert] = alerts(*FIVE, clock="10:00:10 - system @clock")
    assert alert.divert_to is None
    assert "加派" in alert.summary["zh"]


def test_the_evidence_are_the_first_messages_of_those_who_wait_then_what_fired_it() -> None:
    lines = [*FIVE[:4], "10:00:05 c>B @c4 #m4", "10:00:06 transfer B>A @c4 #t"]
    [alert] = alerts(*lines, clock="10:00:10 - system @clock")
    assert (alert.ts, alert.evidence) == (at("10:00:06"), ["m0", "m1", "m2", "m3", "m4", "t"])


def test_an_alert_carries_at_most_twenty_messages_the_oldest() -> None:
    lines = [f"23:0{n // 60}:{n % 60:02} c @c{n} #m{n:02}" for n in range(25)]
    [alert] = [a for a in alerts(*lines, clock="23:31:00 - system @clock") if a.rule == "midnight"]
    assert alert.evidence == [f"m{n:02}" for n in range(20)]
    assert alert.since == at("23:00:00")


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_capacity_is_the_agents_own_and_nobody_overloads_nobody(capacity: int) -> None:
    lines = [f"09:00:00 presence A online capacity={capacity}", *FIVE[:3]]
    found = [a for a in alerts(*lines, clock="10:00:09 - system @clock") if a.rule == "overload"]
    assert [a.ts for a in found] == [at(f"10:00:0{max(capacity, 1) - 1}")]


def test_who_fell_silent_is_no_customer_at_once() -> None:
    settings = ("overload.concurrent=2",)
    lines = ["10:00:00 c>A @a", "10:00:05 A human @a", "10:09:59 c>A @b", "10:10:00 A human @b"]
    busy = told(*lines, settings=settings, clock="10:10:06 - system @clock").alerts("overload")
    assert [(a["ts"], a["end"]) for a in busy] == [(at("10:09:59"), at("10:10:05"))]
    apart = ["10:00:00 c>A @a", "10:00:05 A human @a", "10:10:05 c>A @b", "10:10:06 A human @b"]
    assert told(*apart, settings=settings, clock="10:30:00 - system @clock").alerts("overload") == []


def test_who_fell_silent_and_writes_again_in_the_same_session_is_one_customer_more() -> None:
    lines = ["10:00:00 c>A @a", "10:00:05 A human @a", "10:00:06 c>B @a", "10:10:10 c>B @a"]
    busy = told(*lines, settings=("overload.concurrent=1",), clock="10:30:00 - system @clock")
    assert [(a["ts"], a["end"]) for a in busy.alerts("overload") if a["agent"] == "A"] == [
        (at("10:00:00"), at("10:10:06")),
        (at("10:10:10"), at("10:20:10")),
    ]


def test_a_spam_mark_counts_from_its_own_instant_on() -> None:
    marked = [*FIVE, "10:00:30 spam m4 @c4"]
    [alert] = [a for a in alerts(*marked, clock="10:00:40 - system @clock") if a.rule == "overload"]
    assert (alert.ts, alert.state, alert.value["open_waits"]) == (at("10:00:04"), "firing", 5)


def test_whoever_gets_an_old_wait_back_by_a_mark_is_idle_from_the_mark_on() -> None:
    lines = ["10:00:00 presence A online", "10:00:00 c>A", "10:03:00 c>B #m", "10:06:00 spam m"]
    idle = told(*lines, clock="10:06:01 - system @clock").alerts("idle_online")
    assert [(a["agent"], a["ts"], a["end"]) for a in idle] == [("A", at("10:06:00"), None)]


def test_who_turns_out_to_be_spam_is_nobodys_customer_though_he_was_before() -> None:
    before = ["10:00:00 c>A", "10:00:00 c>B", "10:00:00 presence B online capacity=0", "10:00:00 A human"]
    lines = [*before, "10:10:01 c>B", "10:10:01 c>A", "10:10:02 spam", "10:10:03 c>-"]
    busy = told(*lines, clock="10:10:04 - system @clock").alerts("overload")
    assert (at("10:10:01"), at("10:10:02")) in [(a["ts"], a["end"]) for a in busy if a["agent"] == "B"]


def test_who_is_answered_by_somebody_else_is_a_customer_at_once_until_he_falls_silent() -> None:
    lines = ["10:00:00 c>A", "10:13:00 presence A online capacity=0", "10:13:30 C human"]
    settings = ("session_gap=30s", "wait_ttl=none", "long_wait=none")
    busy = told(*lines, settings=settings, clock="10:20:00 - system @clock").alerts("overload")
    assert [(a["ts"], a["end"]) for a in busy if a["agent"] == "A"] == [(at("10:13:00"), at("10:14:00"))]


def test_every_rule_says_what_to_do_in_both_languages() -> None:
    lines = [
        *("09:00:00 presence A online", "09:00:00 presence B hung", "09:00:00 presence C offline"),
        *(f"10:00:{n:02} c>{'ABC'[n % 3]} @c{n}" for n in range(24)),
        "23:40:00 - system @x",
    ]
    found = alerts(*lines, clock="23:59:59 - system @clock")
    assert {a.rule for a in found} == set(FLOOR_RULES)
    for alert in found:
        assert set(alert.summary) == {"zh", "en"}
        assert "：" in alert.summary["zh"], alert.rule
        assert ":" in alert.summary["en"], alert.rule
        assert alert.evidence, f"{alert.rule} names no evidence"


def test_a_record_is_read_back_as_it_was_written() -> None:
    [alert] = alerts(*FIVE, clock="10:00:10 - system @clock")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(alert), type=Alert) == alert


def test_the_rules_have_a_name_each() -> None:
    assert len(set(FLOOR_RULES)) == len(FLOOR_RULES) == 8
    assert Auditor(chosen()).policy.storm_waits == 20


CROWD = (
    *("09:00:00 presence A online", "09:00:00 presence B hung", "09:00:00 presence C offline"),
    *(f"10:00:{n:02} c>{'ABC'[n % 3]} @c{n} #w{n}" for n in range(24)),
)


def firing(live: Live) -> dict[str, float | list[int]]:
    """What /metrics shows of the rules of a state: how many alerts of each stand."""
    readings = live.runner.engine.readings()
    return {
        labels[1]: value
        for name, labels, value in readings
        if name == "alerts_firing" and labels[1] in FLOOR_RULES
    }


def test_metrics_count_what_stands_of_every_rule_of_a_state_and_count_it_down_again() -> None:
    live = Live().hears(*CROWD, wall="10:00:25")
    assert firing(live) == dict.fromkeys(FLOOR_RULES, 0) | {"overload": 3}
    live.hears(wall="10:01:00")
    assert firing(live)["storm"] == 1
    waits = {"overload": 3, "hung_with_waits": 1, "offline_with_waits": 1, "idle_online": 1, "storm": 0}
    live.hears(wall="10:04:00")
    assert firing(live) == dict.fromkeys(FLOOR_RULES, 0) | waits
    live.hears(wall="10:05:24")
    assert firing(live) == dict.fromkeys(FLOOR_RULES, 0) | waits | {"reply_rate": 1, "feed_silent": 1}
    live.hears(wall="23:30:01")
    assert firing(live)["midnight"] == 1
    answers = [f"23:31:{n:02} {'ABC'[n % 3]} human @c{n}" for n in range(24)]
    live.hears(*answers, "23:31:30 presence A offline", wall="23:50:00")
    assert firing(live) == dict.fromkeys(FLOOR_RULES, 0)
