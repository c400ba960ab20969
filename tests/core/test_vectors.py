"""The vectors of SPEC 4 and 8 by number, against the program; the oracle has its own.

A vector is a promise to the reader of the SPEC: every figure that it names is asserted here.
"""

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from csstream.core.audit import finish
from csstream.core.calendar import Calendar
from csstream.core.canon import Standing, copy_state, tell
from csstream.core.conversation import Rules
from tests.core.look import chosen, told
from tests.laws.notation import at, chat
from tests.laws.views import program, read


def test_v1_an_automatic_reply_does_not_stop_the_clock() -> None:
    seen = told("10:00:00 c", ":01 A auto", ":40 A human")
    assert (seen.wait["first_any_ms"], seen.wait["ms"], seen.wait["outcome"]) == (1_000, 40_000, "answered")
    reception = seen.reception()
    assert (reception["first_any_ms"], reception["first_response_ms"]) == (1_000, 40_000)
    alert = seen.level(30)
    assert (alert["ts"], alert["end"], alert["state"]) == (at("10:00:30"), at("10:00:40"), "resolved")
    assert alert["ts"] == seen.wait["since"] + 30_000


def test_v2_a_chatty_customer_does_not_reset_the_clock() -> None:
    seen = told("10:00:00 c", ":20 c", ":40 c", ":50 A human")
    assert (seen.wait["ms"], seen.wait["messages"], seen.wait["since"]) == (50_000, 3, at("10:00:00"))


def test_v3_a_second_line_of_the_agent_is_no_response() -> None:
    seen = told("10:00:00 c", ":10 A human", ":12 A human", "10:01:00 c", ":05 A human")
    row = seen.shop()
    assert row["responses_ms"] == [5_000, 10_000]
    assert row["response_sum_ms"] / row["responses"] / 1000 == 7.5


def test_v4_a_transfer_charges_the_agents_apart_and_the_customer_once() -> None:
    seen = told("10:00:00 c>A", ":50 transfer A>B", "10:01:00 B human")
    assert seen.wait["ms"] == 60_000
    assert seen.legs() == [("A", 50, "transferred_unanswered"), ("B", 10, "answered")]
    assert seen.agent("B")["responses_ms"] == [10_000]
    assert (seen.agent("A")["responses"], seen.agent("A")["transferred_unanswered"]) == (0, 1)
    assert seen.consult("A") == (False, False)
    assert seen.level(30)["agent"] == "A"


@pytest.mark.parametrize(
    ("reply", "counted", "left_out"), [("10:30:00", [1_800_000], 0), ("10:30:01", [], 1)]
)
def test_v5_more_than_half_an_hour_is_left_out_of_the_mean_and_still_late(
    reply: str, counted: list[int], left_out: int
) -> None:
    row = told("10:00:00 c", f"{reply} A human").shop()
    assert (row["responses_ms"], row["excluded_long"]) == (counted, left_out)
    assert (row["waits"], row["within_30"]) == (1, 0)


@pytest.mark.parametrize(
    ("reply", "rate"), [("23:59:59 A human", (True, True)), ("+1 00:00:00 A human", (False, False))]
)
def test_v6_the_day_of_the_reply_decides_whether_the_day_was_replied(
    reply: str, rate: tuple[bool, bool]
) -> None:
    seen = told("23:00:00 c>A", reply)
    assert seen.consult() == rate
    assert seen.consult("A") == rate
    row = seen.shop()
    assert (row["consulted"], row["replied_any"], row["replied_strict"]) == (1, int(rate[0]), int(rate[1]))


def test_v7_an_unanswered_thank_you_fails_the_strict_rate_and_alerts_nobody() -> None:
    seen = told("10:00:00 c", ":05 A human", "10:05:00 c | 谢谢")
    assert seen.consult() == (True, False)
    assert seen.alerts() == []
    assert [(w["class"], w["outcome"]) for w in seen.waits] == [("normal", "answered"), ("closing", "open")]


def test_v8_an_advert_marked_as_spam_was_no_customer() -> None:
    seen = told("10:00:00 c | 代运营 包上首页", "10:10:00 spam")
    assert (seen.wait["outcome"], seen.wait["until"], seen.wait["levels"]) == ("void", at("10:10:00"), [])
    assert seen.audit.alerts == []
    assert (seen.shop()["consulted"], seen.shop()["void"], seen.shop()["waits"]) == (0, 1, 0)


def test_v9_closing_the_window_does_not_end_the_wait_and_is_told() -> None:
    seen = told("10:00:00 c>A", ":02 session window_closed agent A", "10:02:00 A human")
    assert (seen.wait["ms"], seen.wait["outcome"]) == (120_000, "answered")
    [alert] = seen.alerts("closed_while_waiting")
    assert (alert["ts"], alert["agent"], alert["value"]) == (at("10:00:02"), "A", {"waited_ms": 2_000})


def test_v13_exactly_thirty_seconds_are_in_time_and_raise_nothing() -> None:
    seen = told("10:00:00 c", ":30.000 A human")
    assert (seen.shop()["within_30"], seen.agent("A")["within_30"]) == (1, 1)
    assert seen.levels() == [(15, None)]
    late = told("10:00:00 c", ":30.001 A human")
    assert (late.shop()["within_30"], late.levels()) == (0, [(15, None), (30, None)])


STORY = (
    "10:00:00 c>A #m1",
    ":10 A auto",
    ":20 transfer A>B",
    ":50 c>B #m2",
    "10:01:00 A human",
    ":30 c>A | 谢谢",
    "10:02:00 c>A #m3",
    ":02 session window_closed agent A",
    ":40 B human",
    "10:15:00 c #m4",
    "10:16:00 spam m4",
    "+1 00:10:00 c>- #m5",
    "+1 00:10:05 - bot",
    "+1 00:20:00 c>A #m6",
    "+3 00:00:00 c @d",
)


def test_v14_shuffled_or_twice_over_a_log_tells_the_same() -> None:
    log, policy = chat(*STORY), chosen()
    expected = program(log, policy)
    assert len(expected.waits) >= 6
    for seed in range(20):
        shuffled = [*log, *log] if seed % 2 else list(log)
        random.Random(seed).shuffle(shuffled)
        found = program(shuffled, policy)
        assert found.duplicates == (len(log) if seed % 2 else 0)
        found.duplicates = 0
        assert found == expected


@pytest.mark.parametrize("cut", range(1, len(STORY) - 2))
def test_v14_resumed_in_the_middle_a_log_tells_the_same(cut: int) -> None:
    policy = chosen()
    rules = Rules(policy, Calendar(policy.timezone))
    events = Standing(
        [e for e in read(chat(*STORY)) if e.customer == "c" and e.id != "e011"], policy.lateness_horizon_ms
    ).events

    def facts(*parts: list[Any]) -> list[bytes]:
        state, found = None, []
        for last, part in [*((False, p) for p in parts[:-1]), (True, parts[-1])]:
            told_so_far = tell(rules, "s", "c", part, state)
            if last:
                finish(told_so_far, at("00:00:00", 3))
            found += [msgspec.json.encode(fact) for fact in told_so_far.out.all()]
            state = copy_state(told_so_far.state)  # through the bytes of a row, as after a restart
        return sorted(found)

    whole = facts(list(events))
    assert facts(list(events[:cut]), list(events[cut:])) == whole
    singles = [[event] for event in events]
    assert facts(*singles) == whole


def test_v15_who_gets_the_customer_back_is_charged_anew() -> None:
    seen = told("10:00:00 c>A", ":10 transfer A>B", ":30 transfer B>A", ":35 A human")
    assert seen.wait["ms"] == 35_000
    assert seen.legs() == [
        ("A", 10, "transferred_unanswered"),
        ("B", 20, "transferred_unanswered"),
        ("A", 5, "answered"),
    ]
    assert seen.reception("A")["first_response_ms"] == 35_000
    assert seen.agent("A")["responses_ms"] == [5_000]


def test_v16_a_question_after_a_thank_you_is_a_new_wait() -> None:
    seen = told("23:50:00 c", ":05 A human", "23:58:00 c | 谢谢", "+1 00:01:00 c", "+1 00:01:10 A human")
    assert [(w["ms"], w["outcome"], w["class"]) for w in seen.waits] == [
        (5_000, "answered", "normal"),
        (None, "moot", "closing"),
        (10_000, "answered", "normal"),
    ]
    assert seen.waits[1]["until"] == at("00:01:00", 1)
    assert seen.consult() == (True, False)


def test_v17_a_robot_answers_only_who_waits_in_the_queue() -> None:
    seen = told(
        *("10:00:00 c>-", ":01 - bot", ":30 c>-", ":31 transfer ->A", ":32 - bot", "10:01:10 A human")
    )
    first, second = seen.waits
    assert (first["outcome"], first["ms"], first["answered_by"]) == ("bot", None, None)
    assert (second["ms"], second["since"]) == (40_000, at("10:00:30"))
    assert seen.legs() == [(None, 1, "assigned"), ("A", 39, "answered")]
    assert seen.agent("A")["responses_ms"] == [39_000]
    assert seen.level(30)["ts"] == at("10:01:00")
    assert (seen.shop()["bot"], seen.shop()["waits"]) == (1, 1)


def test_v18_who_is_still_waiting_is_still_in_the_same_session() -> None:
    seen = told("10:00:00 c>A", "10:15:00 c", ":10 A human")
    assert seen.wait["messages"] == 2
    assert seen.reception("A")["first_response_ms"] == 910_000
    assert seen.reception()["first_response_ms"] == 910_000
    assert {r["session"] for r in seen.audit.receptions} == {at("10:00:00")}
    assert (seen.shop()["receptions"], seen.agent("A")["receptions"]) == (1, 1)


def test_v19_a_reply_at_the_instant_of_a_transfer_is_the_first_agents() -> None:
    seen = told("10:00:00 c>A", ":20 transfer A>B", ":20 A human")
    assert seen.legs() == [("A", 20, "answered")]
    assert seen.agent("A")["responses_ms"] == [20_000]
    assert not seen.has_row("B")


def test_v20_a_message_routed_to_nobody_leaves_the_waiting_customer_with_his_agent() -> None:
    seen = told("10:00:00 c>A", ":20 c>-", ":40 A human")
    assert seen.legs() == [("A", 40, "answered")]


def test_v50_a_level_names_who_holds_the_customer_when_it_fires() -> None:
    seen = told("10:00:00 c>A", ":50 transfer A>B", "10:02:00 B human")
    assert [(a["value"]["over_s"], a["ts"], a["agent"]) for a in seen.alerts()] == [
        (15, at("10:00:15"), "A"),
        (30, at("10:00:30"), "A"),
        (100, at("10:01:40"), "B"),
    ]
    for alert in seen.alerts():
        assert (alert["end"], alert["outcome"], alert["state"]) == (at("10:02:00"), "answered", "resolved")
    assert [a["severity"] for a in seen.alerts()] == ["info", "warning", "critical"]


def test_v51a_a_level_due_at_the_newest_event_has_not_fired() -> None:
    seen = told("10:00:00 c>A", clock="10:00:30.000 - system @clock")
    assert [(a["value"]["over_s"], a["state"], a["end"]) for a in seen.alerts()] == [(15, "firing", None)]


def test_v51b_a_level_fires_when_the_clock_is_past_it() -> None:
    seen = told("10:00:00 c>A", clock="10:00:30.001 - system @clock")
    assert [(a["value"]["over_s"], a["state"], a["end"]) for a in seen.alerts()] == [
        (15, "firing", None),
        (30, "firing", None),
    ]


def test_v51c_a_reply_at_exactly_the_due_comes_first() -> None:
    seen = told("10:00:00 c>A", ":30.000 A human", clock="10:05:00 - system @clock")
    assert [(a["value"]["over_s"], a["ts"], a["end"], a["state"]) for a in seen.alerts()] == [
        (15, at("10:00:15"), at("10:00:30"), "resolved")
    ]


def test_v56_one_close_is_told_once_and_a_courtesy_may_be_closed() -> None:
    seen = told(
        "10:00:00 c>A",
        ":02 session window_closed agent A",
        ":05 session window_closed agent A",
        ":10 A human",
        "10:05:00 c>A | 谢谢",
        ":02 session close agent A",
    )
    [alert] = seen.alerts("closed_while_waiting")
    assert seen.alerts() == []
    assert (alert["ts"], alert["end"]) == (at("10:00:02"), at("10:00:10"))
    assert (alert["agent"], alert["outcome"], alert["severity"]) == ("A", "answered", "critical")


def test_levels_rise_by_time_and_severity() -> None:
    seen = told("10:00:00 c")
    assert [a["severity"] for a in seen.alerts()] == ["info", "warning", "critical", "breach", "lost"]
    assert all(a["ts"] < b["ts"] for a, b in pairwise(seen.alerts()))
