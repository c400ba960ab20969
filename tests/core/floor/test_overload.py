"""`overload`: an agent has more customers than can be answered (SPEC 8; vectors by their number)."""

import pytest

from tests.core.floor.seen import FIVE, alerts, spans
from tests.core.look import told
from tests.laws.notation import at


def test_v57a_who_has_five_waiting_is_overloaded_until_three_are_left() -> None:
    lines = [f"10:00:0{n} c>A @c{n}" for n in range(5)]
    answers = [f"10:00:{s} A human @c{n}" for n, s in enumerate(("10", "20", "22"))]
    seen = told(*lines, *answers, clock="10:00:25 - system @clock")
    assert spans(seen, "overload") == [("10:00:04", "10:00:20", "cleared")]
    [alert] = seen.alerts("overload")
    assert (alert["agent"], alert["severity"], alert["since"]) == ("A", "warning", at("10:00:00"))
    assert alert["value"] == {"open_waits": 5, "over_30": 0, "concurrent": 5, "capacity": 10}


def test_v57b_three_who_wait_long_overload_until_one_is_left() -> None:
    lines = [
        *[f"10:00:0{n} c>A @c{n}" for n in range(3)],
        "10:00:40 transfer A>B @c2",
        "10:00:50 A human @c1",
    ]
    seen = told(*lines, clock="10:01:00 - system @clock")
    assert spans(seen, "overload") == [("10:00:32", "10:00:50", "cleared")]
    assert seen.alerts("overload")[0]["value"]["over_30"] == 3
    still = told(*lines[:-1], clock="10:01:00 - system @clock")
    assert spans(still, "overload") == [("10:00:32", None, None)], "two are not one"


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
