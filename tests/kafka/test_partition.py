"""The life of a partition beside a consumer that a test plays: what time it is, who waits for whom, what is read again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import msgspec
import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from csstream.core.engine import Record, Step
from csstream.kafka import partition as module
from csstream.kafka.consumer import Consumer, Look, RecordList
from csstream.kafka.partition import Counts, Partition
from csstream.ledgers import Positions
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.policy import load
from csstream.runner import Runner

TOPICS = ("cs.chat", "cs.orders", "cs.agents")
CHAT, ORDERS, AGENTS = (TP(topic, 0) for topic in TOPICS)


class Ledger(MemoryLedger):
    """In memory; the group sees everything at once."""

    behind = False


class Source:
    """What a partition sees of a consumer, and what it asks of it."""

    def __init__(self) -> None:
        self.looks: dict[TP, Look] = {}
        self.sought: list[dict[TP, int]] = []
        self.full: list[TP] = []
        self.resumed: list[TP] = []

    async def read_from(self, positions: Mapping[TP, int]) -> None:
        self.sought.append(dict(positions))

    def on_buffer_full(self, place: TP) -> None:
        self.full.append(place)

    def on_buffer_drop(self, place: TP) -> None:
        self.resumed.append(place)

    def tell(
        self, place: TP, position: int, end: int, *, handed: int = -1, answered_ms: int | None = None
    ) -> None:
        """The broker answered."""
        self.looks[place] = Look(position, handed, end, now_ms() if answered_ms is None else answered_ms)


class Stage:
    """A partition and what it stands on."""

    def __init__(self, **settings: Any) -> None:
        self.store, self.source, self.counts = Store(), Source(), Counts()
        ledger = Ledger(self.store)
        self.runner = Runner(load("handbook"), ledger, TOPICS, failed=self.counts.failed)
        self.beside: dict[int, Partition] = {}
        self.partition = self.beside[0] = Partition(
            0,
            self.runner,
            cast("Any", ledger),
            cast("Consumer", self.source),
            TOPICS,
            self.counts,
            self.beside,
            **settings,
        )
        self.partition.gather_s = 0.01

    def put(self, place: TP, *records: Record, begin: int | None = None) -> None:
        """A list is handed on."""
        first, last = records[0].offset, records[-1].offset
        fetched_list = RecordList(records, first if begin is None else begin, last + 1, 1)
        self.partition.put(fetched_list)
        look = self.source.looks.get(place)
        self.source.tell(place, last + 1, last + 1 if look is None else look.stable_end, handed=last + 1)


def now_ms() -> int:
    return int(time.time() * 1000)


def message(offset: int, at_ms: int, topic: str = "cs.chat", event_ms: int | None = None) -> Record:
    """A customer's message, on any topic."""
    event = {"id": f"{topic}{offset}", "type": "message", "ts": at_ms if event_ms is None else event_ms}
    event |= {"shop": "s", "customer": "c", "sender": "customer"}
    return Record(topic, 0, offset, msgspec.json.encode(event), at_ms)


async def until(holds: Callable[[], Any]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what holds is not ours to signal
            await asyncio.sleep(0.01)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A partition that is ready, with topics that are empty."""
    stage = Stage(max_wait_s=0.3)
    await until(lambda: stage.source.sought)
    for place in (CHAT, ORDERS, AGENTS):
        stage.source.tell(place, 0, 0)
    yield stage
    await stage.partition.stop()


async def test_it_reads_on_from_where_its_rows_are(stage: Stage) -> None:
    assert stage.source.sought == [{CHAT: 0, ORDERS: 0, AGENTS: 0}]
    assert stage.partition.state == "ready"


async def test_where_all_is_read_the_broker_s_last_answer_is_the_time(stage: Stage) -> None:
    at = now_ms() - 5_000
    stage.source.tell(ORDERS, 0, 0, answered_ms=at)
    await until(lambda: stage.partition.clock_ms == at)


async def test_a_feed_that_cannot_be_read_stops_the_clock(stage: Stage) -> None:
    at = now_ms() - 60_000
    stage.put(CHAT, message(0, at))
    await until(lambda: stage.runner.positions["cs.chat"] == 1)
    stage.source.tell(CHAT, 1, 100, handed=1)  # more is there, and does not come
    await until(lambda: stage.partition.clock_ms == at)
    ticks = stage.partition.applied
    await asyncio.sleep(0.5)
    assert stage.partition.clock_ms == at
    assert stage.partition.applied == ticks, "nothing is applied, and the watchdog may know it"


async def test_an_old_log_is_worked_off_by_its_own_time(stage: Stage) -> None:
    stage.source.tell(CHAT, 0, 100)
    await until(lambda: stage.runner.merge.starved() == ["cs.chat"])
    clock = stage.partition.clock_ms
    yesterday = now_ms() - 86_400_000
    stage.put(CHAT, *(message(n, now_ms(), event_ms=yesterday + n) for n in range(10)))
    await until(lambda: stage.runner.positions["cs.chat"] == 10)
    await asyncio.sleep(0.3)
    assert stage.partition.clock_ms == clock, "records of now say nothing of when their events were"
    assert stage.runner.engine.shops["s"].row.clock_ms == yesterday + 9
    stage.source.tell(CHAT, 10, 10, handed=10)
    await until(lambda: (stage.partition.clock_ms or 0) >= now_ms() - 5_000)


async def test_topics_wait_for_one_that_cannot_be_read_but_not_for_ever(stage: Stage) -> None:
    stage.source.tell(ORDERS, 0, 5)
    began_s = time.monotonic()
    stage.put(CHAT, message(0, now_ms()))
    await until(lambda: stage.runner.positions["cs.chat"] == 1)
    assert time.monotonic() - began_s >= 0.3
    assert stage.counts.waived == {"cs.orders": 1}
    stage.put(CHAT, message(1, now_ms()))
    await until(lambda: stage.runner.positions["cs.chat"] == 2)
    assert stage.counts.waived["cs.orders"] <= 2


async def test_a_list_that_is_missing_is_read_again(stage: Stage) -> None:
    at = now_ms()
    stage.put(CHAT, message(0, at))
    stage.put(CHAT, message(5, at))
    await until(lambda: len(stage.source.sought) == 2)
    assert stage.source.sought[1] == {CHAT: 1}
    stage.put(CHAT, message(6, at))  # it was under way behind the other
    stage.put(CHAT, *(message(n, at) for n in range(1, 6)))
    await until(lambda: stage.runner.positions["cs.chat"] == 6)
    assert stage.partition.state == "ready"


async def test_what_one_round_asked_for_is_not_opened_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Consumer.__new__(Consumer)
    source.round, source._open = 1, set()
    resumed: list[Any] = []
    monkeypatch.setattr(driver.Consumer, "resume_partitions", lambda _, places: resumed.append(places))

    async def seek_wait(_: Mapping[TP, int]) -> None:
        source.round += rebalances

    monkeypatch.setattr(source, "seek_wait", seek_wait, raising=False)
    rebalances = 1
    await source.read_from({CHAT: 7})
    assert (source._open, resumed) == (set(), [])
    rebalances = 0
    await source.read_from({CHAT: 7})
    assert (source._open, resumed) == ({CHAT}, [{CHAT: 7}])


async def test_offsets_without_records_are_no_gap(stage: Stage) -> None:
    at = now_ms()
    stage.put(CHAT, message(0, at))
    stage.put(CHAT, message(3, at), begin=1)  # at 1 and 2 are a transaction's markers
    await until(lambda: stage.runner.positions["cs.chat"] == 4)
    assert len(stage.source.sought) == 1


async def test_records_that_are_gone_break_the_partition_and_are_named(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GAP_S", 0.0)
    stage.put(CHAT, message(5, now_ms()))
    await until(lambda: len(stage.source.sought) == 2)
    stage.put(CHAT, message(5, now_ms()))  # the log begins there now
    await until(lambda: stage.partition.state == "broken")
    assert "record 0 is needed next, and 5 came; records are gone unread" in stage.partition.why
    assert "records are gone unread" in caplog.text


async def test_a_log_that_loses_its_end_breaks_the_partition_before_what_comes_next_is_taken_for_known(
    stage: Stage,
) -> None:
    stage.put(CHAT, *(message(n, now_ms()) for n in range(9)))
    await until(lambda: stage.runner.positions["cs.chat"] == 9)
    began_ms = now_ms()
    for after_ms, position in (
        (0, 9),
        (9_000, 9),
        (10_000, 0),
        (11_000, 3),
    ):  # a new leader knows less, for a while
        stage.source.tell(CHAT, position, 5, handed=position, answered_ms=began_ms + after_ms)
        await asyncio.sleep(0.05)
    assert stage.partition.state == "ready"
    stage.source.tell(CHAT, 5, 5, handed=5, answered_ms=began_ms + 12_100)
    await until(lambda: stage.partition.state == "broken")
    assert "cs.chat partition 0 ends at 5 now, and 9 is needed next: records are gone" in stage.partition.why
    assert "csstream rebuild" in stage.partition.why


async def test_what_was_known_before_another_owner_read_on_is_no_end(stage: Stage) -> None:
    stage.source.tell(CHAT, 3, 5, answered_ms=now_ms() - 9_000)
    stage.runner.skip_to("cs.chat", 9)
    await asyncio.sleep(0.1)
    stage.source.tell(CHAT, 9, 12)
    await asyncio.sleep(0.1)
    assert stage.partition.state == "ready"


async def test_what_is_at_hand_is_bounded_and_read_on_at_half(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_RECORDS", 10)
    stage.source.tell(ORDERS, 0, 5)  # so that the chat has to wait
    stage.put(CHAT, *(message(n, now_ms()) for n in range(11)))
    assert stage.source.full == [CHAT]
    assert stage.source.resumed == []
    await until(lambda: stage.source.resumed == [CHAT])
    assert stage.runner.merge.at_hand() == 0


async def test_what_all_partitions_hold_is_bounded_together(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One alone may have much at hand; a backlog of all must not end the worker for want of memory."""
    size = len(message(0, now_ms()).value)
    monkeypatch.setattr(module, "AT_HAND_BYTES", 20 * size)
    stage.source.tell(ORDERS, 0, 5)  # so that the chat has to wait
    stage.put(CHAT, *(message(n, now_ms()) for n in range(15)))
    assert stage.source.full == []
    stage.beside[1] = stage.partition  # another one that holds as much
    stage.put(CHAT, message(15, now_ms()))
    assert stage.source.full == [CHAT]
    await until(lambda: stage.source.resumed == [CHAT])


async def test_steps_grow_while_more_comes_in_than_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_RECORDS", 10)
    stage, limits = Stage(), []
    commit = stage.runner._ledger.commit

    async def commit_and_fetch(step: Step, positions: Positions) -> None:
        await commit(step, positions)
        limits.append(stage.partition._limit)
        first = stage.runner.next_position("cs.chat")
        stage.put(CHAT, *(message(n, now_ms()) for n in range(first, first + 200)))

    monkeypatch.setattr(stage.runner._ledger, "commit", commit_and_fetch)
    await until(lambda: stage.source.sought)
    for place in (CHAT, ORDERS, AGENTS):
        stage.source.tell(place, 0, 0)
    stage.put(CHAT, *(message(n, now_ms()) for n in range(10)))
    await until(lambda: len(limits) > 3)
    await stage.partition.stop()
    assert limits[3] > limits[0], "or a backlog is worked off in steps that cost more than they must"


async def test_steps_of_a_backlog_come_close_to_the_longest_that_they_may_take(stage: Stage) -> None:
    """Doubled only, steps of 0.3 s would stay so: each customer of one shop is then looked at twice as often."""
    partition = stage.partition
    for took_s, limit in (
        (0.2, 10_000),
        (0.3, 15_000),
        (0.45, 15_000),
        (0.6, 12_500),
        (0.01, 25_000),
        (0.02, 50_000),
        (0.04, 60_000),
    ):
        partition.runner.worked_s = took_s
        partition._measure(partition._limit, took_s)
        assert partition._limit == limit


async def test_while_enough_is_unread_steps_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP_RECORDS", 10)
    monkeypatch.setattr(module, "FILL_S", 5.0)
    stage = Stage()
    await until(lambda: stage.source.sought)
    for place, end in ((CHAT, 100), (ORDERS, 0), (AGENTS, 0)):
        stage.source.tell(place, 0, end)
    for first in range(0, 60, 3):
        stage.put(CHAT, *(message(n, now_ms()) for n in range(first, first + 3)))
        await asyncio.sleep(2 * stage.partition.gather_s)  # as fetches come in
    await until(lambda: stage.runner.positions["cs.chat"] >= 50)
    await stage.partition.stop()
    assert stage.partition.applied < 10, "20 lists make few steps"


async def test_no_step_is_filled_beyond_what_may_be_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many partitions have little each: a backlog of all would wait for records that nobody reads."""
    monkeypatch.setattr(module, "STEP_RECORDS", 50)
    monkeypatch.setattr(module, "FULL_RECORDS", 10)
    monkeypatch.setattr(module, "FILL_S", 60.0)
    stage = Stage()
    await until(lambda: stage.source.sought)
    for place, end in ((CHAT, 200), (ORDERS, 0), (AGENTS, 0)):
        stage.source.tell(place, 0, end)
    await asyncio.sleep(2 * stage.partition.gather_s)  # it waits for a full step by now
    stage.put(CHAT, *(message(n, now_ms()) for n in range(11)))
    await until(lambda: stage.runner.positions["cs.chat"] == 11)
    await stage.partition.stop()


async def test_at_its_end_a_partition_waits_for_nobody(stage: Stage) -> None:
    stage.source.tell(ORDERS, 0, 5)
    stage.put(CHAT, message(0, now_ms()))
    async with asyncio.timeout(3):
        await stage.partition.stop()
    assert stage.store.positions.get("cs.chat", 0) == 0


async def test_while_the_group_decides_it_goes_on_with_what_is_at_hand_and_is_kept(stage: Stage) -> None:
    stage.partition.doubt()
    stage.put(CHAT, message(0, now_ms()), message(1, now_ms()))
    await until(lambda: stage.store.positions.get("cs.chat") == 2)
    stage.partition.keep()
    await until(lambda: len(stage.source.sought) == 2)
    assert stage.source.sought[1] == {CHAT: 2, ORDERS: 0, AGENTS: 0}, "read on, and nothing loaded anew"


async def test_what_another_one_has_by_then_is_not_taken_away_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FENCED_S", 0.0)
    stage.partition.doubt()
    await MemoryLedger(stage.store).open()
    other = stage.store.owner
    stage.put(CHAT, message(0, now_ms()))
    await until(lambda: stage.partition.state == "loading")
    for _ in range(10):  # it has every chance
        await asyncio.sleep(0.01)
    assert stage.store.owner == other
    assert stage.counts.failed["fenced"] == 0, "its new owner was only told earlier"
    stage.partition.keep()
    await until(lambda: stage.partition.state == "ready")


async def test_a_load_under_way_goes_on_while_the_group_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, begun, go_on = Stage(max_wait_s=0.3), asyncio.Event(), asyncio.Event()
    opened = stage.runner.open

    async def slowly() -> None:
        begun.set()
        await go_on.wait()
        await opened()

    monkeypatch.setattr(stage.runner, "open", slowly)
    await begun.wait()
    stage.partition.doubt()
    stage.partition.keep()
    assert stage.source.sought == [], "there is nothing yet to read on from"
    go_on.set()
    await until(lambda: stage.source.sought)
    assert stage.source.sought == [{CHAT: 0, ORDERS: 0, AGENTS: 0}]
    assert stage.store.owner == 1, "it was opened once"
    await stage.partition.stop()
