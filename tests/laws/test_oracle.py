"""The SPEC's vectors against the oracle: what judges the program must itself be right.

Each vector is named by its number in the SPEC; the other tests hold readings that no vector shows.
"""

from typing import Any

import pytest

from csstream import policy as policies
from tests.laws.notation import at, chat, day
from tests.laws.oracle import Audit, audit


def looked_at(*lines: str, policy: str = "handbook", settings: tuple[str, ...] = ()) -> Audit:
    """The audit of a conversation, with the shop's clock at noon of the next day."""
    return audit(
        chat(*lines, "+1 12:00:00 presence Z online"), policies.with_settings(policies.load(policy), settings)
    )


def waits(result: Audit) -> list[dict[str, Any]]:
    return sorted(result.waits.values(), key=lambda wait: (wait["since"], wait["wait"]))


def legs(wait: dict[str, Any]) -> list[tuple[str | None, int | None, str]]:
    """(agent, seconds, outcome)."""
    return [
        (leg["agent"], None if leg["until"] is None else (leg["until"] - leg["from"]) // 1000, leg["outcome"])
        for leg in wait["legs"]
    ]


def fired(result: Audit) -> list[tuple[int, str | None]]:
    """The levels: (seconds, agent), in the order of their instants."""
    return [(alert["value"]["over_s"], alert["agent"]) for alert in result.alerts if alert["rule"] == "wait"]


def shop(result: Audit, days: int = 0) -> dict[str, Any]:
    return result.shops["s", day(days)]


def agent(result: Audit, name: str, days: int = 0) -> dict[str, Any]:
    return result.agents["s", day(days), name]


def consult(result: Audit, who: str | None = None, days: int = 0) -> tuple[bool, bool]:
    """(any, strict)."""
    [row] = [row for row in result.consults if row["agent"] == who and row["day"] == day(days)]
    return row["replied_any"], row["replied_strict"]


# ---- the vectors ------------------------------------------------------------------------------------------


def test_v1_an_automatic_reply_does_not_stop_the_clock() -> None:
    result = looked_at("10:00:00 c", ":01 A auto", ":40 A human")
    [wait] = waits(result)
    assert (wait["first_any_ms"], wait["ms"]) == (1_000, 40_000)
    [reception] = [r for r in result.receptions if r["agent"] is None]
    assert (reception["first_any_ms"], reception["first_response_ms"]) == (1_000, 40_000)
    [alert] = [a for a in result.alerts if a["value"] == {"over_s": 30}]
    assert (alert["ts"], alert["end"]) == (at("10:00:30"), at("10:00:40"))
    assert (alert["state"], alert["outcome"], alert["severity"]) == ("resolved", "answered", "warning")


def test_v2_a_chatty_customer_does_not_reset_the_clock() -> None:
    [wait] = waits(looked_at("10:00:00 c", ":20 c", ":40 c", ":50 A human"))
    assert (wait["ms"], wait["messages"]) == (50_000, 3)


def test_v3_extra_lines_of_an_agent_are_no_responses() -> None:
    row = shop(looked_at("10:00:00 c", ":10 A human", ":12 A human", "10:01:00 c", ":05 A human"))
    assert row["responses_ms"] == [5_000, 10_000]
    assert row["response_sum_ms"] / row["responses"] == 7_500


def test_v4_a_transfer_goes_on_for_the_customer_and_starts_anew_for_the_agent() -> None:
    result = looked_at("10:00:00 c>A", ":50 transfer A>B", "10:01:00 B human")
    [wait] = waits(result)
    assert wait["ms"] == 60_000
    assert legs(wait) == [("A", 50, "transferred_unanswered"), ("B", 10, "answered")]
    assert (30, "A") in fired(result)
    assert agent(result, "B")["responses_ms"] == [10_000]
    assert agent(result, "A")["transferred_unanswered"] == 1
    assert (agent(result, "A")["responses"], consult(result, "A")) == (0, (False, False))


@pytest.mark.parametrize(
    ("reply", "counted", "left_out"), [("10:30:00", [1_800_000], 0), ("10:30:01", [], 1)]
)
def test_v5_what_took_over_half_an_hour_is_left_out_and_still_late(
    reply: str, counted: list[int], left_out: int
) -> None:
    row = shop(looked_at("10:00:00 c", f"{reply} A human"))
    assert (row["responses_ms"], row["excluded_long"]) == (counted, left_out)
    assert (row["first_responses_ms"], row["first_excluded_long"]) == (counted, left_out)
    assert (row["waits"], row["within_30"], row["receptions"], row["receptions_unanswered"]) == (1, 0, 1, 0)


def test_v6_a_reply_before_midnight_is_a_reply_of_the_day() -> None:
    result = looked_at("23:00:00 c>A", "23:59:59 A human")
    assert consult(result) == consult(result, "A") == (True, True)


def test_v6_a_reply_at_midnight_comes_too_late_for_the_day() -> None:
    result = looked_at("23:00:00 c>A", "+1 00:00:00 A human")
    assert consult(result) == consult(result, "A") == (False, False)
    # the response, too long to count, is of the day of its reply
    assert (shop(result, 1)["excluded_long"], shop(result, 1)["consulted"]) == (1, 0)
    assert (shop(result)["excluded_long"], shop(result)["consulted"]) == (0, 1)


def test_v7_an_unanswered_courtesy_is_no_alert_and_no_strict_reply() -> None:
    result = looked_at("10:00:00 c", ":05 A human", "10:05:00 c | 谢谢")
    assert consult(result) == (True, False)
    assert fired(result) == []
    assert [(w["class"], w["outcome"]) for w in waits(result)] == [
        ("normal", "answered"),
        ("closing", "open"),
    ]
    assert shop(result)["waits"] == 1


def test_v8_an_advert_marked_as_spam_was_never_a_question() -> None:
    result = looked_at("10:00:00 c | 低价代运营", "10:10:00 spam")
    [wait] = waits(result)
    assert (wait["outcome"], wait["until"], wait["levels"]) == ("void", at("10:10:00"), [])
    assert legs(wait) == [(None, 600, "void")]
    assert result.alerts == []
    assert result.consults == []
    assert (shop(result)["consulted"], shop(result)["void"], shop(result)["waits"]) == (0, 1, 0)


def test_v9_a_closed_window_stops_nothing() -> None:
    result = looked_at("10:00:00 c>A", ":02 session window_closed agent A", "10:02:00 A human")
    [wait] = waits(result)
    assert (wait["ms"], wait["outcome"]) == (120_000, "answered")
    [alert] = [a for a in result.alerts if a["rule"] == "closed_while_waiting"]
    assert (alert["ts"], alert["agent"], alert["value"]) == (at("10:00:02"), "A", {"waited_ms": 2_000})


def test_v13_thirty_seconds_are_within_thirty_seconds() -> None:
    result = looked_at("10:00:00 c", ":30 A human")
    assert shop(result)["within_30"] == agent(result, "A")["within_30"] == 1
    assert fired(result) == [(15, None)]


def test_v15_who_gets_the_customer_back_begins_again() -> None:
    result = looked_at("10:00:00 c>A", ":10 transfer A>B", ":30 transfer B>A", ":35 A human")
    [wait] = waits(result)
    assert wait["ms"] == 35_000
    assert legs(wait) == [
        ("A", 10, "transferred_unanswered"),
        ("B", 20, "transferred_unanswered"),
        ("A", 5, "answered"),
    ]
    [reception] = [r for r in result.receptions if r["agent"] == "A"]
    assert reception["first_response_ms"] == 35_000


def test_v16_a_question_after_a_courtesy_is_a_new_wait() -> None:
    result = looked_at("23:50:00 c", ":05 A human", "23:58:00 c | 谢谢", "+1 00:01:00 c", "+1 :10 A human")
    first, courtesy, last = waits(result)
    assert (first["ms"], last["ms"]) == (5_000, 10_000)
    assert (courtesy["outcome"], courtesy["until"]) == ("moot", at("00:01:00", 1))
    assert consult(result) == (True, False)


def test_v17_a_robot_ends_only_a_wait_that_no_agent_holds() -> None:
    result = looked_at(
        *("10:00:00 c>-", ":01 - bot", ":30 c>-", ":31 transfer ->A", ":32 - bot", "10:01:10 A human")
    )
    first, second = waits(result)
    assert (first["outcome"], first["ms"], first["answered_by"]) == ("bot", None, None)
    assert (first["first_any_ms"], second["first_any_ms"]) == (1_000, 2_000)
    assert second["ms"] == 40_000
    assert legs(second) == [(None, 1, "assigned"), ("A", 39, "answered")]
    assert (30, "A") in fired(result)
    assert (shop(result)["bot"], shop(result)["waits"]) == (1, 1)


def test_v18_an_open_wait_holds_a_session_together() -> None:
    result = looked_at("10:00:00 c>A", "10:15:00 c", ":10 A human")
    assert [(r["agent"], r["session"], r["first_response_ms"]) for r in result.receptions] == [
        (None, at("10:00:00"), 910_000),
        ("A", at("10:00:00"), 910_000),
    ]


def test_v19_a_reply_comes_before_a_hand_over_of_the_same_instant() -> None:
    result = looked_at("10:00:00 c>A", ":20 transfer A>B", ":20 A human")
    [wait] = waits(result)
    assert legs(wait) == [("A", 20, "answered")]
    assert ("s", day(), "B") not in result.agents


def test_v20_a_waiting_customer_does_not_fall_back_to_the_queue() -> None:
    [wait] = waits(looked_at("10:00:00 c>A", ":20 c>-", ":40 A human"))
    assert legs(wait) == [("A", 40, "answered")]


def test_v50_a_level_names_who_holds_the_customer_then() -> None:
    result = looked_at("10:00:00 c>A", ":50 transfer A>B", "10:02:00 B human")
    assert fired(result) == [(15, "A"), (30, "A"), (100, "B")]
    assert [a["ts"] for a in result.alerts] == [at("10:00:15"), at("10:00:30"), at("10:01:40")]
    assert {(a["end"], a["outcome"], a["state"]) for a in result.alerts} == {
        (at("10:02:00"), "answered", "resolved")
    }


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (["10:00:30.000 presence Z online"], [(15, None, "firing")]),
        (["10:00:30.001 presence Z online"], [(15, None, "firing"), (30, None, "firing")]),
        (["10:00:30.000 A human", "10:05:00 presence Z online"], [(15, at("10:00:30"), "resolved")]),
    ],
)
def test_v51_a_level_fires_when_the_clock_is_past_it(
    rest: list[str], expected: list[tuple[int, int | None, str]]
) -> None:
    result = audit(chat("10:00:00 c>A", *rest), policies.load("handbook"))
    assert [(a["value"]["over_s"], a["end"], a["state"]) for a in result.alerts] == expected
    [wait] = waits(result)
    assert wait["levels"] == [
        {"over_ms": over * 1000, "ts": at("10:00:00") + over * 1000} for over, _, _ in expected
    ]


def test_v56_the_first_close_alone_is_told_and_none_of_a_courtesy() -> None:
    result = looked_at(
        "10:00:00 c>A",
        ":02 session window_closed agent A",
        ":05 session window_closed agent A",
        ":10 A human",
        "10:05:00 c>A | 谢谢",
        ":02 session close agent A",
    )
    [alert] = [alert for alert in result.alerts if alert["rule"] != "midnight"]
    assert (alert["rule"], alert["ts"], alert["end"]) == (
        "closed_while_waiting",
        at("10:00:02"),
        at("10:00:10"),
    )
    assert (alert["agent"], alert["outcome"], alert["severity"]) == ("A", "answered", "critical")


# ---- readings that no vector shows ------------------------------------------------------------------------


def test_who_answers_without_holding_gets_an_extra_leg() -> None:
    result = looked_at("10:00:00 c>A", ":20 B human")
    [wait] = waits(result)
    assert legs(wait) == [("A", 20, "answered_by_other"), ("B", 20, "answered")]
    assert (
        agent(result, "A")["waits"],
        agent(result, "A")["within_30"],
        agent(result, "A")["responses"],
    ) == (1, 0, 0)
    assert (
        agent(result, "B")["waits"],
        agent(result, "B")["within_30"],
        agent(result, "B")["responses"],
    ) == (1, 1, 1)
    assert (consult(result, "A"), consult(result, "B")) == ((False, True), (True, True))


def test_an_extra_leg_goes_on_from_the_agents_own_leg() -> None:
    result = looked_at("10:00:00 c>-", ":05 c>A", ":10 transfer A>B", ":20 A human")
    [wait] = waits(result)
    assert legs(wait) == [
        (None, 5, "assigned"),
        ("A", 5, "transferred_unanswered"),
        ("B", 10, "answered_by_other"),
        ("A", 15, "answered"),
    ]
    assert (agent(result, "A")["waits"], agent(result, "A")["responses_ms"]) == (1, [15_000])
    assert shop(result)["transferred_unanswered"] == 1


def test_a_silence_gives_the_customer_back_to_the_queue() -> None:
    lines = ("10:00:00 c>A", ":10 A human", "{} c", "10:30:00 B human")
    after, before = (looked_at(*(x.format(t) for x in lines)) for t in ("10:10:10.001", "10:10:10"))
    assert [w["legs"][0]["agent"] for w in waits(after)] == ["A", None]
    assert [w["legs"][0]["agent"] for w in waits(before)] == ["A", "A"]


def test_a_customer_who_leaves_was_not_answered() -> None:
    result = looked_at("10:00:00 c>A", ":05 A auto", "10:01:00 session close customer")
    [wait] = waits(result)
    assert (wait["outcome"], wait["until"], wait["ms"]) == ("abandoned", at("10:01:00"), None)
    assert consult(result) == (False, False)
    assert (shop(result)["abandoned"], shop(result)["receptions_unanswered"]) == (1, 1)


def test_a_wait_expires_when_the_clock_is_past_its_end() -> None:
    lines = ["10:00:00 c>A", "+2 10:00:00{} presence Z online"]
    [still], [gone] = (
        waits(audit(chat(*(x.format(ms) for x in lines)), policies.load("handbook"))) for ms in ("", ".001")
    )
    assert (still["outcome"], still["until"]) == ("open", None)
    assert (gone["outcome"], gone["until"]) == ("expired", at("10:00:00", 2))
    assert [x["ts"] for x in gone["levels"]][-1] == at("10:30:00")


def test_a_note_is_no_reply_and_a_bot_does_not_end_a_wait_of_an_agent() -> None:
    result = looked_at("10:00:00 c>A", ":05 A note", ":06 - bot", ":20 A human")
    [wait] = waits(result)
    assert (wait["first_any_ms"], wait["ms"]) == (6_000, 20_000)


def test_the_customer_who_writes_on_the_next_day_is_consulted_there_again() -> None:
    result = looked_at("23:50:00 c>A", "+1 00:10:00 c", "+1 00:20:00 A human")
    assert (consult(result), consult(result, "A")) == ((False, False), (False, False))
    assert (consult(result, None, 1), consult(result, "A", 1)) == ((True, True), (True, True))
    assert agent(result, "A", 1)["waits"] == 0
    assert (agent(result, "A")["waits"], agent(result, "A")["receptions"]) == (1, 1)


def test_who_opens_the_contact_has_no_reception() -> None:
    result = looked_at("10:00:00 A human", ":30 c", ":40 A human")
    assert [r["agent"] for r in result.receptions] == [None]
    assert agent(result, "A")["responses"] == 1


def test_a_mark_taken_back_brings_the_wait_back() -> None:
    lines = ["10:00:00 c #m1", "10:01:00 spam m1", "10:01:20 spam m1 off"]
    [wait] = waits(looked_at(*lines))
    assert (wait["outcome"], len(wait["levels"])) == ("open", 5)
    [wait] = waits(looked_at(*lines, "10:02:00 spam m1"))
    assert (wait["outcome"], wait["until"]) == ("void", at("10:02:00"))


def test_a_mark_for_one_message_moves_the_beginning_of_the_wait() -> None:
    result = looked_at("10:00:00 c #m1", ":20 c #m2", ":40 A human", "10:05:00 spam m1")
    [wait] = waits(result)
    assert (wait["wait"], wait["ms"]) == (f"s|c|{at('10:00:20')}|m2", 20_000)


def test_a_void_wait_keeps_what_was_known_of_it() -> None:
    [wait] = waits(looked_at("10:00:00 c #m1", ":20 A human", "10:05:00 spam"))
    assert (wait["outcome"], wait["until"], wait["ms"], wait["answered_by"]) == (
        "void",
        at("10:00:20"),
        20_000,
        "A",
    )


def test_a_mark_of_the_session_reaches_the_latest_run_only() -> None:
    result = looked_at("10:00:00 c", ":10 A human", "10:20:00 c", "10:21:00 spam")
    assert [w["outcome"] for w in waits(result)] == ["answered", "void"]
    assert shop(result)["consulted"] == 1


def test_customers_and_shops_are_apart() -> None:
    result = looked_at("10:00:00 c", ":10 c @d", ":20 c @c/t", ":30 A human @d")
    assert [(w["shop"], w["customer"], w["outcome"]) for w in waits(result)] == [
        ("s", "c", "open"),
        ("s", "d", "answered"),
        ("t", "c", "open"),
    ]
    assert fired(result).count((1800, None)) == 1  # the clock of shop t stands at its own newest event


def test_copies_count_once_and_the_first_stands() -> None:
    events = chat("10:00:00 c #m1", ":20 c #m1 | 在么", "10:20:00 c #m1", ":30 A human")
    result = audit([*events, *events[:1]], policies.load("handbook"))
    assert (result.duplicates, result.conflicts) == (1, 1)
    [wait] = waits(result)
    assert (wait["since"], wait["messages"]) == (at("10:00:00"), 2)


def test_the_order_of_the_input_means_nothing() -> None:
    events = chat(
        "10:00:00 c>A", ":20 transfer A>B", ":20 A human", "10:00:40 c", "10:01:00 B human", "10:02:00 spam"
    )
    handbook = policies.load("handbook")
    assert (
        audit(events[::-1], handbook)
        == audit([*events[2:], *events[:2]], handbook)
        == audit(events, handbook)
    )


def test_hours_leave_out_what_begins_outside_of_them() -> None:
    lines = ("07:59:59.999 c>A", "08:00:10 A human")
    row = shop(looked_at(*lines, policy="tmall"))
    assert (row["waits"], row["responses"], row["receptions"], row["consulted"]) == (0, 0, 0, 1)
    row = shop(looked_at(*lines))
    assert (row["waits"], row["responses"], row["receptions"], row["consulted"]) == (1, 1, 1, 1)


def test_a_cap_counts_a_long_response_as_the_cap() -> None:
    row = shop(looked_at("10:00:00 c", "10:30:00 A human", policy="tmall"))
    assert (row["responses_ms"], row["first_responses_ms"], row["excluded_long"]) == ([600_000], [600_000], 0)


@pytest.mark.parametrize(
    ("said", "courtesy"),
    [
        ("| 好的，谢谢～", True),
        ("| OK 👌🏽", True),
        ("| ❤️", True),
        ("kind=emoji", True),
        ("| 好的吗", False),
        ("| 谢谢?", False),
        ("| 嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯嗯x", False),
        ("| Ⓐ", True),
        ("| ……", False),
        ("kind=image", False),
    ],
)
def test_a_courtesy_is_made_of_courteous_words_alone(said: str, courtesy: bool) -> None:
    [wait] = waits(looked_at(f"10:00:00 c {said}"))
    assert (wait["class"] == "closing") is courtesy


def test_courtesies_can_be_left_out_of_the_reply_rate() -> None:
    lines = ("10:00:00 c", ":05 A human", "10:05:00 c | 谢谢", "+1 09:00:00 c | 谢谢")
    assert consult(looked_at(*lines)) == (True, False)
    result = looked_at(*lines, settings=("closing.in_reply_rate=false",))
    assert consult(result) == (True, True)
    assert [row["day"] for row in result.consults if row["agent"] is None] == [day()]


def test_the_rows_add_up() -> None:
    result = looked_at("10:00:00 c>A", ":10 A human", "11:00:00 c>A", "12:00:00 A human", "13:00:00 c>B")
    for row in [*result.shops.values(), *result.agents.values()]:
        assert row["receptions"] == (
            row["receptions_unanswered"] + row["first_responses"] + row["first_excluded_long"]
        )
    row = shop(result)
    assert (row["receptions"], row["receptions_unanswered"], row["first_excluded_long"]) == (3, 1, 1)


# ---- the notation -----------------------------------------------------------------------------------------


def test_the_notation_says_what_its_header_says() -> None:
    events = chat(
        "10:00:00 c>A @d/t #m1 sku=x | 有货吗",
        ":01.250 - bot kind=card",
        "+1 00:00:00 transfer A>- authorised=false",
        "+1 :05 spam m1 off",
    )
    assert events[0] == {
        "v": 1,
        "id": "m1",
        "ts": at("10:00:00"),
        "shop": "t",
        "customer": "d",
        "type": "message",
        "sender": "customer",
        "agent": "A",
        "sku": "x",
        "text": "有货吗",
    }
    assert (events[1]["ts"], events[1]["agent"], "text" in events[1]) == (at("10:00:01.250"), None, False)
    assert (events[2]["to_agent"], events[2]["authorised"]) == (None, False)
    assert events[2]["ts"] == at("00:00:00", 1)
    assert (events[3]["value"], events[3]["message"], events[3]["id"]) == (False, "m1", "e004")


@pytest.mark.parametrize("line", ["10:00 c", "10:00:00", "10:00:00 A sings", "c>A"])
def test_a_line_that_says_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"notation\.py"):
        chat(line)
