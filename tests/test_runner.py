"""The life of a partition: poison, gaps, what is cut, what is given up."""

import gc
import weakref
from typing import Any

import pytest

from csstream import events
from csstream.core import engine as engine_module
from csstream.core.board import BEGIN, Board
from csstream.core.crew import Duty
from csstream.core.engine import Record, Step
from csstream.ledgers import LedgerError, Positions
from csstream.ledgers.memory import Fault, MemoryLedger, Store
from csstream.policy import load
from csstream.runner import MAX_RELOADS, GapError, Runner
from tests.laws.live import TOPICS, drive, feed, records_of, settle
from tests.laws.notation import at, chat

LINES = (
    "10:00:00 c>A",
    "10:00:10 A human",
    "10:00:20 c>A @d #poison",
    "10:00:30 c>A @e",
    "10:00:40 A human @e",
)


def opened(store: Store, *faults: Fault, board: Board | None = None) -> Runner:
    runner = Runner(load("handbook"), MemoryLedger(store, iter(faults)), TOPICS, board=board)
    drive(runner.open())
    return runner


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that breaks at what has `poison` in it."""

    def read(value: bytes) -> Any:
        if b"poison" in value:
            raise RuntimeError("a bug")
        return events.read(value)

    monkeypatch.setattr(engine_module, "READ", read)


@pytest.mark.usefixtures("faulty")
def test_of_a_thousand_records_the_one_that_breaks_the_program_is_found_in_few_steps() -> None:
    store = Store()
    runner = opened(store)
    steps: list[Step] = []
    runner.on_step = steps.append
    records = records_of(
        chat(*(f"10:{n // 60:02}:{n % 60:02} c>A #{'poison' if n == 777 else n}" for n in range(1_000)))
    )
    feed(runner, records)
    settle(runner, None)
    assert [letter.record for letter in store.dead_letters] == [records[777]]
    assert runner.process.events["cs.chat", "applied"] >= 999
    assert len(steps) < 30
    assert runner.failed == {"internal": 4}, "of 1,000, of 100, of 10, alone"


@pytest.mark.usefixtures("faulty")
def test_a_record_that_breaks_the_program_is_set_aside_and_the_others_go_on() -> None:
    store = Store()
    runner = opened(store)
    records = records_of(chat(*LINES))
    feed(runner, records)
    settle(runner, None)
    [letter] = store.dead_letters
    assert (letter.reason, letter.record) == ("internal", records[2])
    assert "RuntimeError: a bug" in letter.error, "the trace is there for whoever mends it"
    assert [fact.customer for fact in store.facts if fact.fact.startswith("wait|")] == ["c", "e"]
    assert store.positions["cs.chat"] == len(records)
    assert runner.failed == {"internal": 2}


@pytest.mark.usefixtures("faulty")
def test_while_the_record_is_looked_for_nobody_is_told_of_a_wait_that_was_answered() -> None:
    store = Store()
    runner = opened(store)
    feed(runner, records_of(chat(*LINES)))
    settle(runner, at("10:05:00"))
    assert store.dead_letters
    assert {alert.customer for alert in store.alerts} == set()


class Mark(list[Duty]):
    """Something of a shop that can be watched."""


def test_an_engine_that_is_thrown_away_is_gone_whatever_is_frozen() -> None:
    """A worker freezes what it has loaded, so what lies in circles would stay for as long as the worker lives."""
    runner = opened(Store())
    feed(runner, records_of(chat(*LINES)))
    settle(runner, None)
    mark = Mark()
    [shop] = runner.engine.shops.values()
    shop.crew.shifts["", ""] = mark  # a compiled shop itself cannot be watched
    watched = weakref.ref(mark)
    del shop, mark
    gc.disable()
    try:
        drive(runner.close())
        assert watched() is None
    finally:
        gc.enable()


def test_a_list_that_begins_too_late_is_a_gap_and_not_skipped_over() -> None:
    runner = opened(Store())
    records = records_of(chat(*LINES))
    runner.feed("cs.chat", records[:2])
    with pytest.raises(GapError, match="record 2 is needed next, and 3 came"):
        runner.feed("cs.chat", records[3:])
    runner.feed("cs.chat", records[2:])
    settle(runner, None)
    assert runner.positions["cs.chat"] == len(records)


def test_records_that_are_already_kept_are_cut_off() -> None:
    store = Store()
    records = records_of(chat(*LINES))
    first = opened(store)
    feed(first, records[:3])
    settle(first, None)
    second = opened(store)
    feed(second, records)  # read again from the beginning
    settle(second, None)
    assert store.positions["cs.chat"] == len(records)
    assert second.process.events == {("cs.chat", "applied"): 2}


def test_a_ledger_that_never_answers_well_is_given_up_and_says_so() -> None:
    runner = opened(Store(), *[Fault.BEFORE] * 50)
    records = records_of(chat(*LINES))
    feed(runner, records)
    with pytest.raises(LedgerError):
        settle(runner, None)
    assert runner.failed["ledger"] == MAX_RELOADS + len(records) + 1


def test_what_another_owner_did_while_a_commit_failed_is_not_done_again() -> None:
    """A worker that was frozen hears of its commit that it timed out, and not that it was fenced."""
    store, records = Store(), records_of(chat(*LINES))
    records[3] = records[3]._replace(value=b"{")

    class Late(MemoryLedger):
        async def commit(self, step: Step, positions: Positions) -> None:  # noqa: ARG002
            settle_other()
            raise LedgerError("timed out")

    def settle_other() -> None:
        other = opened(store)
        feed(other, records)
        settle(other, None)

    runner = Runner(load("handbook"), Late(store), TOPICS)
    drive(runner.open())
    feed(runner, records)
    with pytest.raises(LedgerError, match="another owner has read on meanwhile"):
        drive(runner.step(limit=1))
    assert not runner.is_open
    runner._ledger = MemoryLedger(store)
    drive(runner.open())
    assert runner.next_position("cs.chat") == store.positions["cs.chat"] == len(records)
    assert len(store.dead_letters) == 1


def test_a_step_without_anything_to_keep_is_no_transaction() -> None:
    store = Store()
    runner = opened(store)
    assert drive(runner.step(1_000)) is False
    assert store.positions == {}


def test_malformed_records_are_dead_letters_with_their_bytes_once() -> None:
    store = Store()
    runner = opened(store, Fault.BEFORE, Fault.NONE, Fault.AFTER)
    bad = [Record("cs.chat", 0, n, b'{"text":"secret words"', n) for n in range(3)]
    feed(runner, bad)
    settle(runner, None)
    assert [letter.record for letter in store.dead_letters] == bad
    assert "secret" not in "".join(letter.error for letter in store.dead_letters)


def test_the_board_goes_out_with_a_step_at_most_twice_a_second() -> None:
    shown: list[set[bytes]] = []
    runner = opened(Store(), board=Board())
    runner.on_step = lambda step: shown.append(set(step.board))
    now = at("10:00:00")
    for number, record in enumerate(records_of(chat(*LINES))):
        feed(runner, [record])
        drive(runner.step(at("10:05:00"), wall=now + number * 200))
    assert [bool(board) for board in shown] == [True, False, False, True, False]
    assert {b'["shop","s"]', b'["agent","s","A"]'} <= shown[3]


def test_far_behind_the_board_goes_out_seldom_and_at_once_when_the_backlog_is_worked_off() -> None:
    shown: list[set[bytes]] = []
    runner = opened(Store(), board=Board())
    runner.on_step = lambda step: shown.append(set(step.board))
    now = at("10:05:00")
    looks = [(61_000, 0), (62_000, 1_000), (65_400, 4_400), (65_600, 4_600), (0, 5_200)]  # behind, and when
    for record, (behind_ms, ms) in zip(records_of(chat(*LINES)), looks, strict=True):
        feed(runner, [record])
        drive(runner.step(now + ms - behind_ms, wall=now + ms))
    assert [bool(board) for board in shown] == [True, False, False, True, True]


def test_a_step_that_was_lost_shows_a_new_board() -> None:
    shown: list[dict[bytes, bytes | None]] = []
    runner = opened(Store(), Fault.NONE, Fault.BEFORE, board=Board())
    runner.on_step = lambda step: shown.append(step.board)
    for number, record in enumerate(records_of(chat(*LINES[:2]))):
        feed(runner, [record])
        drive(runner.step(at("10:05:00"), wall=at("10:05:00") + number * 1_000))
    drive(runner.step(at("10:05:00"), wall=at("10:05:02")))
    assert next(iter(shown[0])) == next(iter(shown[-1])) == BEGIN
    assert b'["wait","s","c"]' in shown[0]
    assert b'["wait","s","c"]' not in shown[-1]


def test_rows_are_counted_by_family_and_a_new_owner_counts_the_same() -> None:
    store = Store()
    runner = opened(store)
    feed(runner, records_of(chat(*LINES)))
    settle(runner, None)
    assert sum(runner.rows.values()) == len(store.rows)
    assert runner.rows["customer"] <= 3
    assert +opened(store).rows == +runner.rows
