"""Which copies stand and which messages are dropped: wrong here, the same log gives two answers (SPEC 3, 4)."""

from typing import Any

import pytest

from csstream.core.canon import Standing, canonical
from csstream.events import Event, Reject, decode
from tests.core.look import chosen, told
from tests.laws.notation import at, chat
from tests.laws.views import program, read

HORIZON_MS = 600_000


def stands(*lines: str) -> tuple[list[tuple[str, int]], int, int]:
    """(id, seconds after 10:00) of what stands; duplicates; conflicts."""
    found = Standing(read(chat(*lines)), HORIZON_MS)
    kept = [(event.id, (event.ts_ms - at("10:00:00")) // 1000) for event in found.events]
    return kept, found.duplicates, found.conflicts


def test_a_copy_counts_once() -> None:
    assert stands("10:00:00 c #m", "10:00:00 c #m", "10:00:00 c #m") == ([("m", 0)], 2, 0)


def test_of_two_contents_the_first_in_time_stands() -> None:
    assert stands("10:00:10 c #m | 乙", "10:00:00 c #m | 甲") == ([("m", 0)], 0, 1)


def test_of_two_contents_at_once_the_smaller_stands_whatever_came_first() -> None:
    lines = ("10:00:00 c>A #m | 甲", "10:00:00 c>B #m | 甲")
    for order in (lines, lines[::-1]):
        found = Standing(read(chat(*order)), HORIZON_MS)
        assert [event.agent for event in found.events] == ["A"]
        assert found.conflicts == 1


def test_a_question_stands_before_a_reply_of_the_same_id_and_instant() -> None:
    found = Standing(read(chat("10:00:00 A human #m", "10:00:00 c>A #m")), HORIZON_MS)
    assert [canonical(event)[1] for event in found.events] == [0]


def test_copies_exactly_the_horizon_apart_are_one_event() -> None:
    assert stands("10:00:00 c #m", "10:10:00 c #m") == ([("m", 0)], 0, 1)


def test_copies_farther_apart_are_two_events() -> None:
    assert stands("10:00:00 c #m", "10:10:00.001 c #m") == ([("m", 0), ("m", 600)], 0, 0)


def test_each_copy_is_compared_with_the_one_that_stands() -> None:
    # the third is near the second, but the second does not stand
    assert stands("10:00:00 c #m", "10:07:00 c #m", "10:14:00 c #m") == ([("m", 0), ("m", 840)], 0, 1)
    assert stands("10:00:00 c #m", "10:14:00 c #m", "10:21:00 c #m") == ([("m", 0), ("m", 840)], 0, 1)


def test_the_same_content_with_a_field_left_out_is_a_duplicate() -> None:
    bare = b'{"id":"m","type":"message","ts":1,"shop":"s","customer":"c","sender":"customer"}'
    full = bare[:-1] + b',"v":1,"kind":"text","internal":false,"unknown":5}'
    found = Standing([good(bare), good(full)], HORIZON_MS)
    assert (len(found.events), found.duplicates, found.conflicts) == (1, 1, 0)


def test_routed_to_the_queue_and_not_said_are_two_contents() -> None:
    unsaid = b'{"id":"m","type":"message","ts":1,"shop":"s","customer":"c","sender":"customer"}'
    queue = unsaid[:-1] + b',"agent":null}'
    for order in ((unsaid, queue), (queue, unsaid)):
        found = Standing([good(data) for data in order], HORIZON_MS)
        assert found.conflicts == 1
        assert [event.agent for event in found.events] == [None]  # `{"agent"...` is the smaller JSON


def good(data: bytes) -> Event:
    """The event in these bytes."""
    event = decode(data)
    assert not isinstance(event, Reject), event
    return event


def test_events_of_one_instant_stand_by_rank_then_id() -> None:
    found = Standing(
        read(
            chat(
                "10:00:00 spam #a",
                "10:00:00 session close customer #b",
                "10:00:00 transfer A>B #c",
                "10:00:00 A human #d",
                "10:00:00 c #f",
                "10:00:00 c #e",
            )
        ),
        HORIZON_MS,
    )
    assert [event.id for event in found.events] == ["e", "f", "d", "c", "b", "a"]


def test_an_order_comes_after_the_reply_and_before_the_transfer() -> None:
    order = b'{"id":"o","type":"order","ts":1,"shop":"s","customer":"c","order":"x","status":"paid"}'
    reply = b'{"id":"r","type":"message","ts":1,"shop":"s","customer":"c","sender":"bot"}'
    transfer = b'{"id":"t","type":"transfer","ts":1,"shop":"s","customer":"c","to_agent":null}'
    found = Standing([good(transfer), good(order), good(reply)], HORIZON_MS)
    assert [event.id for event in found.events] == ["r", "o", "t"]


def test_the_program_counts_copies() -> None:
    log = chat("10:00:00 c #m", ":20 c #m | 别的", "10:00:00 c #m")
    audit = program(log, chosen())
    assert (audit.duplicates, audit.conflicts) == (1, 1)


# ---- spam marks ---------------------------------------------------------------------------------------------


def outcomes(*lines: str, **how: Any) -> list[str]:
    """The outcomes of the waits, by their start."""
    return [wait["outcome"] for wait in told(*lines, **how).waits]


def test_a_mark_without_a_message_drops_the_latest_run_alone() -> None:
    lines = ("10:00:00 c", ":10 A human", "{} c", "10:30:00 spam")
    assert outcomes(*(x.format("10:10:10.001") for x in lines)) == ["answered", "void"]
    assert outcomes(*(x.format("10:10:10") for x in lines)) == ["void", "void"]


def test_a_run_is_cut_by_silence_alone_even_where_a_wait_is_open() -> None:
    seen = told("10:00:00 c", "10:15:00 c", "10:16:00 spam", "10:17:00 A human")
    assert [(w["outcome"], w["messages"], w["ms"]) for w in seen.waits] == [("answered", 1, 1_020_000)]


def test_dropped_messages_still_hold_a_run_together() -> None:
    seen = told("10:00:00 c", "10:08:00 c #m2", "10:16:00 c", "10:16:30 spam m2", "10:17:00 spam")
    assert [w["outcome"] for w in seen.waits] == ["void"]
    assert seen.shop()["consulted"] == 0


def test_a_note_holds_no_run_together() -> None:
    lines = ("10:00:00 c", ":10 A human", "10:09:00 A note", "10:15:00 c", "10:16:00 spam")
    assert outcomes(*lines) == ["answered", "void"]


def test_a_mark_reaches_up_to_the_ttl_and_no_further() -> None:
    lines = ("10:00:00 c #m", "10:01:00 A human", "{} spam m")
    short: dict[str, Any] = {"settings": ("wait_ttl=1h",)}
    assert outcomes(*(x.format("11:00:00") for x in lines), **short) == ["void"]
    assert outcomes(*(x.format("11:00:00.001") for x in lines), **short) == ["answered"]


def test_a_mark_for_the_run_reaches_up_to_the_ttl_and_no_further() -> None:
    lines = ("10:00:00 c", "10:01:00 A human", "{} spam")
    short: dict[str, Any] = {"settings": ("wait_ttl=1h",)}
    assert outcomes(*(x.format("11:00:00") for x in lines), **short) == ["void"]
    assert outcomes(*(x.format("11:00:00.001") for x in lines), **short) == ["answered"]


def test_the_last_mark_for_a_message_decides() -> None:
    lines = ("10:00:00 c #m", "10:01:00 spam m", "10:02:00 spam m off")
    assert outcomes(*lines) == ["open"]
    assert outcomes(*lines, "10:03:00 spam m") == ["void"]
    assert outcomes(*lines, "10:03:00 spam") == ["void"]


def test_a_wait_that_was_void_and_is_back_fires_its_levels_again() -> None:
    seen = told("10:00:00 c #m", "10:01:00 spam m", "10:01:20 spam m off", clock="10:01:30 - system @clock")
    assert seen.levels() == [(15, None), (30, None)]
    assert (seen.shop()["consulted"], seen.shop()["void"]) == (1, 0)


def test_dropping_the_first_message_begins_the_wait_with_the_second() -> None:
    seen = told("10:00:00 c>A #m1", ":20 c>B #m2", ":40 B human", "10:05:00 spam m1")
    assert (seen.wait["wait"], seen.wait["ms"]) == (f"s|c|{at('10:00:20')}|m2", 20_000)
    assert seen.legs() == [("B", 20, "answered")]
    assert not seen.has_row("A")


def test_a_wait_dropped_message_by_message_is_void_with_the_last_that_was_left() -> None:
    seen = told("10:00:00 c #m1", ":20 c #m2", "10:01:00 spam m1", "10:02:00 spam m2")
    assert (seen.wait["outcome"], seen.wait["until"]) == ("void", at("10:02:00"))
    assert (seen.wait["wait"], seen.wait["messages"]) == (f"s|c|{at('10:00:20')}|m2", 1)


def test_a_void_wait_keeps_its_other_fields_and_ends_where_it_had_ended() -> None:
    seen = told("10:00:00 c>A #m1", ":20 B human", "10:05:00 spam")
    wait = seen.wait
    assert (wait["outcome"], wait["until"], wait["ms"], wait["answered_by"]) == (
        "void", at("10:00:20"), 20_000, "B",
    )  # fmt: skip
    assert seen.legs() == [("A", 20, "void"), ("B", 20, "void")]
    assert seen.audit.receptions == []


def test_an_open_wait_that_is_dropped_ends_at_the_mark_with_its_legs() -> None:
    seen = told("10:00:00 c>A #m1", ":30 transfer A>B", "10:05:00 spam")
    assert seen.wait["until"] == at("10:05:00")
    assert seen.legs() == [("A", 30, "void"), ("B", 270, "void")]


def test_a_mark_on_an_agents_message_drops_nothing() -> None:
    assert outcomes("10:00:00 c", ":20 A human #r", "10:05:00 spam r") == ["answered"]


def test_a_mark_that_names_a_later_message_drops_it_too() -> None:
    seen = told("10:00:00 spam m", ":10 c #m", clock="10:05:00 - system @clock")
    assert (seen.waits, seen.alerts(), seen.consult()) == ([], [], None)


def test_after_spam_the_routing_of_what_was_dropped_is_forgotten() -> None:
    seen = told("10:00:00 c>A #m1", "10:01:00 spam m1", "10:02:00 c", ":10 A human")
    assert seen.waits[-1]["legs"][0]["agent"] is None


@pytest.mark.parametrize("day", [0, 1])
def test_a_void_wait_counts_on_the_day_it_ended(day: int) -> None:
    mark = "23:59:59.999 spam m" if day == 0 else "+1 00:00:00 spam m"
    seen = told("23:50:00 c #m", mark)
    assert seen.shop(day)["void"] == 1
    assert ("s", "2026-11-21" if day else "2026-11-22") not in seen.audit.shops
