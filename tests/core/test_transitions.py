"""The table of SPEC 4, row by row: what each event does to a customer who waits, or does not."""

import pytest

from tests.core.look import told
from tests.laws.notation import at


def test_w1_a_message_of_any_kind_begins_a_wait_with_its_holder() -> None:
    for kind in ("text", "image", "shake", "card", "file", "voice", "video"):
        seen = told(f"10:00:00 c>A kind={kind}")
        assert (seen.wait["since"], seen.wait["class"]) == (at("10:00:00"), "normal")
        assert seen.legs() == [("A", None, "open")]
    assert told("10:00:00 c kind=emoji").wait["class"] == "closing"
    assert told("10:00:00 c | 好的").wait["class"] == "closing"


def test_w2_a_further_message_counts_and_may_hand_over() -> None:
    seen = told("10:00:00 c>A #m1", ":10 c>B", ":30 B human")
    assert (seen.wait["messages"], seen.wait["since"]) == (2, at("10:00:00"))
    assert seen.wait["wait"] == f"s|c|{at('10:00:00')}|m1"
    assert seen.legs() == [("A", 10, "transferred_unanswered"), ("B", 20, "answered")]


def test_w2_a_further_message_without_a_route_changes_no_holder() -> None:
    assert told("10:00:00 c>A", ":10 c", ":30 A human").legs() == [("A", 30, "answered")]


def test_w2c_a_question_ends_the_courtesy_and_its_leg() -> None:
    seen = told("10:00:00 c>A | 谢谢", ":10 c>B", ":30 B human")
    courtesy, question = seen.waits
    assert (courtesy["outcome"], courtesy["until"], courtesy["class"]) == ("moot", at("10:00:10"), "closing")
    assert seen.legs(0) == [("A", 10, "moot")]
    assert (question["since"], question["class"], question["messages"]) == (at("10:00:10"), "normal", 1)
    assert seen.legs(1) == [("B", 20, "answered")]


def test_w2c_the_gap_is_judged_after_the_courtesy_has_ended() -> None:
    seen = told("10:00:00 c>A | 谢谢", "10:10:00.001 c")
    assert seen.legs() == [(None, None, "open")]
    assert told("10:00:00 c>A | 谢谢", "10:10:00 c").legs() == [("A", None, "open")]


def test_w2c_a_second_courtesy_is_one_more_message_of_the_first() -> None:
    seen = told("10:00:00 c>A | 谢谢", ":10 c>A | 好的", ":30 A human")
    assert (seen.wait["messages"], seen.wait["class"], seen.wait["ms"]) == (2, "closing", 30_000)


@pytest.mark.parametrize("sender", ["auto", "template", "system", "bot"])
def test_w3_what_is_not_effective_leaves_the_customer_waiting(sender: str) -> None:
    seen = told("10:00:00 c>A", f":05 A {sender}", f":07 A {sender}", ":20 A human")
    assert (seen.wait["first_any_ms"], seen.wait["ms"]) == (5_000, 20_000)


def test_w4_a_note_is_for_colleagues_only() -> None:
    seen = told("10:00:00 c>A", ":05 A note", ":20 A human")
    assert (seen.wait["first_any_ms"], seen.wait["ms"]) == (20_000, 20_000)
    assert seen.reception("A")["first_any_ms"] == 20_000


def test_w4_a_note_keeps_no_session_together_and_takes_no_customer() -> None:
    seen = told("10:00:00 c>A", ":10 A human", "10:09:00 B note", "10:11:00 c", ":10 A human")
    assert [r["session"] for r in seen.audit.receptions if r["agent"] is None] == [
        at("10:00:00"),
        at("10:11:00"),
    ]
    assert [w["legs"][0]["agent"] for w in seen.waits] == ["A", None]


@pytest.mark.parametrize("sender", ["human", "assist_bot"])
def test_w5_an_effective_reply_is_credited_to_its_sender(sender: str) -> None:
    seen = told("10:00:00 c>A", f":20 A {sender}")
    assert (seen.wait["outcome"], seen.wait["ms"], seen.wait["answered_by"]) == ("answered", 20_000, "A")
    assert seen.wait["first_any_ms"] == 20_000


def test_w5_who_answers_for_another_has_an_extra_leg() -> None:
    seen = told("10:00:00 c>A", ":20 B human")
    assert seen.wait["answered_by"] == "B"
    assert seen.legs() == [("A", 20, "answered_by_other"), ("B", 20, "answered")]


def test_w5q_a_robot_ends_a_wait_in_the_queue_without_a_response() -> None:
    seen = told("10:00:00 c>-", ":40 - bot")
    assert (seen.wait["outcome"], seen.wait["ms"], seen.wait["answered_by"]) == ("bot", None, None)
    assert seen.wait["first_any_ms"] == 40_000
    assert seen.legs() == [(None, 40, "bot")]
    row = seen.shop()
    assert (row["waits"], row["responses"], row["receptions"], row["bot"]) == (0, 0, 0, 1)
    assert (row["consulted"], row["replied_any"]) == (1, 1)


def test_w6_a_transfer_moves_the_leg_and_not_the_customers_clock() -> None:
    seen = told(
        "10:00:00 c>-", ":10 transfer ->A", ":30 transfer A>-", ":40 transfer ->B", "10:01:00 B human"
    )
    assert (seen.wait["since"], seen.wait["ms"]) == (at("10:00:00"), 60_000)
    assert seen.legs() == [
        (None, 10, "assigned"),
        ("A", 20, "transferred_unanswered"),
        (None, 10, "assigned"),
        ("B", 20, "answered"),
    ]


def test_w6_a_transfer_to_the_holder_changes_nothing() -> None:
    assert told("10:00:00 c>A", ":10 transfer A>A", ":20 A human").legs() == [("A", 20, "answered")]


def test_w6_a_word_of_the_new_holder_at_the_instant_of_the_transfer_is_heard() -> None:
    lines = ("10:00:00 c>A", ":20 transfer A>B", "{} B bot")
    at_once, before = (told(*(x.format(t) for x in lines)) for t in (":20", ":19.999"))
    assert (at_once.reception("B")["first_any_ms"], before.reception("B")["first_any_ms"]) == (0, None)
    assert (at_once.consult("B"), before.consult("B")) == ((True, False), (False, False))


def test_w7_a_transfer_without_a_wait_decides_who_gets_the_next() -> None:
    seen = told("10:00:00 c>A", ":05 A human", ":10 transfer A>B", ":20 c", ":30 B human")
    assert seen.legs() == [("B", 10, "answered")]
    assert seen.agent("A")["transferred_unanswered"] == 0


@pytest.mark.parametrize("state", ["hung", "away", "offline"])
def test_w8_an_agent_who_leaves_does_not_stop_the_clock(state: str) -> None:
    seen = told("10:00:00 c>A", f":10 presence A {state}", ":40 A human")
    assert (seen.wait["ms"], seen.legs()) == (40_000, [("A", 40, "answered")])


def test_w9_a_customer_who_leaves_unanswered_is_lost() -> None:
    seen = told("10:00:00 c>A", ":40 session close customer")
    assert (seen.wait["outcome"], seen.wait["until"], seen.wait["ms"]) == ("abandoned", at("10:00:40"), None)
    assert seen.legs() == [("A", 40, "abandoned")]
    assert seen.consult() == seen.consult("A") == (False, False)
    row = seen.shop()
    assert (row["abandoned"], row["responses"], row["waits"], row["within_30"]) == (1, 0, 1, 0)


def test_w9_a_customer_who_leaves_after_a_thank_you_is_not_lost() -> None:
    seen = told("10:00:00 c>A", ":05 A human", "10:01:00 c>A | 谢谢", ":40 session close customer")
    assert (seen.waits[-1]["outcome"], seen.legs()) == ("moot", [("A", 40, "moot")])
    assert (seen.shop()["abandoned"], seen.consult(), seen.consult("A")) == (0, (True, True), (True, True))


@pytest.mark.parametrize(
    "close",
    [
        "session close agent A",
        "session close system",
        "session window_closed agent A",
        "session window_closed system",
        "session window_closed customer",
    ],
)
def test_w10_nobody_else_can_close_a_wait_away(close: str) -> None:
    seen = told("10:00:00 c>A", f":10 {close}", ":40 A human")
    assert (seen.wait["outcome"], seen.wait["ms"]) == ("answered", 40_000)
    assert len(seen.alerts("closed_while_waiting")) == (1 if " agent" in close else 0)


def test_w10_opening_a_session_is_no_closing() -> None:
    seen = told("10:00:00 c>A", ":05 session open customer", ":10 session open agent A", ":40 A human")
    assert (seen.wait["ms"], seen.alerts("closed_while_waiting")) == (40_000, [])


def test_w11_spam_was_never_sent() -> None:
    seen = told("10:00:00 c>A #m1", ":20 c>B #m2", ":40 A human", "10:05:00 spam m2")
    assert (seen.wait["messages"], seen.legs()) == (1, [("A", 40, "answered")])


def test_w12_a_level_fires_once_and_strictly_after_its_time() -> None:
    assert told("10:00:00 c", ":10 c", ":15.000 A human").levels() == []
    assert told("10:00:00 c", ":10 c", ":15.001 A human").levels() == [(15, None)]


def test_w13_a_wait_over_midnight_is_unreplied_on_its_day_and_goes_on() -> None:
    seen = told("23:50:00 c>A", "+1 00:10:00 A human")
    assert (seen.consult(), seen.consult("A")) == ((False, False), (False, False))
    assert (seen.wait["ms"], seen.wait["outcome"]) == (1_200_000, "answered")
    assert seen.consult(None, 1) is None
    assert seen.consult("A", 1) is None
    assert (seen.shop(1)["responses"], seen.shop(1)["waits"], seen.shop()["waits"]) == (1, 0, 1)


def test_w13_the_next_day_consults_only_if_the_customer_writes_then() -> None:
    seen = told("23:50:00 c>A", "+1 00:05:00 c", "+1 00:10:00 A human")
    assert (seen.consult(), seen.consult(None, 1)) == ((False, False), (True, True))
    assert seen.consult("A", 1) == (True, True)


def test_w14_who_speaks_unasked_has_no_response_time() -> None:
    seen = told("10:00:00 A human", ":10 c>A", ":15 A human", ":20 A human")
    assert seen.shop()["responses_ms"] == [5_000]
    assert len(seen.waits) == 1


def test_w15_a_wait_expires_when_the_clock_is_past_its_ttl() -> None:
    lines = ("10:00:00 c>A",)
    still = told(*lines, clock="+2 10:00:00 - system @clock")
    gone = told(*lines, clock="+2 10:00:00.001 - system @clock")
    assert (still.wait["outcome"], still.wait["until"]) == ("open", None)
    assert (gone.wait["outcome"], gone.wait["until"]) == ("expired", at("10:00:00", 2))
    assert gone.legs() == [("A", 48 * 3600, "expired")]
    assert gone.shop(2)["expired"] == 1


def test_w15_a_reply_at_exactly_the_ttl_still_counts() -> None:
    seen = told("10:00:00 c>A", "+2 10:00:00 A human", clock="+3 00:00:00 - system @clock")
    assert (seen.wait["outcome"], seen.wait["ms"]) == ("answered", 172_800_000)
    late = told("10:00:00 c>A", "+2 10:00:00.001 A human", clock="+3 00:00:00 - system @clock")
    assert (late.wait["outcome"], late.shop(2)["responses"]) == ("expired", 0)


def test_w15_a_wait_that_expires_at_midnight_fails_the_day_that_begins() -> None:
    lines = ("{} c>A", "+1 00:30:00 c>A", "+1 00:30:10 A human")
    at_midnight = told(*(x.format("23:00:00") for x in lines), settings=("wait_ttl=1h",))
    assert at_midnight.waits[0]["until"] == at("00:00:00", 1)
    assert (at_midnight.consult(), at_midnight.consult(None, 1)) == ((False, False), (True, False))
    assert at_midnight.consult("A", 1) == (True, False)
    before = told(*(x.format("22:59:59.999") for x in lines), settings=("wait_ttl=1h",))
    assert (before.consult(), before.consult(None, 1)) == ((False, False), (True, True))
