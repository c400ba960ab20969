"""The Kafka ledger on a real broker: the contract, and what only a broker can decide."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import astuple
from itertools import chain as chained

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.errors import RequestTimedOutError  # type: ignore[import-untyped]
from aiokafka.protocol.produce import ProduceRequest  # type: ignore[import-untyped]

from csstream.core import facts
from csstream.core.engine import DeadLetter, Record, Step
from csstream.core.rows import CODEC
from csstream.kafka.topics import Topic, ensure
from csstream.ledgers import FencedError, LedgerError
from csstream.ledgers.kafka import Connection, KafkaLedger, Outputs, RefusedError, state
from csstream.ledgers.kafka import ledger as kafka_ledger
from csstream.ledgers.kafka.output import dead_letter
from csstream.ledgers.kafka.requests import find_topics
from csstream.ledgers.kafka.state import Meta
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.policy import load
from csstream.runner import Runner
from tests.kafka.conftest import delete
from tests.kafka.keeper import KafkaKeeper, write
from tests.kafka.node import Node
from tests.laws.live import TOPICS, records_of
from tests.laws.notation import chat
from tests.ledgers.contract import CONTRACT, Keeper, step

QUICK_S = 10.0


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
async def test_the_kafka_ledger_keeps_the_contract(
    check: Callable[[Keeper], Awaitable[None]], keeper: KafkaKeeper
) -> None:
    await check(keeper)


# ---- owners that die ------------------------------------------------------------------------------------------------


async def test_what_a_killed_owner_sent_is_never_seen_and_the_next_one_does_not_wait_for_it(
    keeper: KafkaKeeper,
) -> None:
    first = keeper.owner()
    await first.open()
    await first.commit(step("kept", {b"a": b"1"}), {"cs.chat": 8})
    await first.close()
    names = json.dumps(astuple(keeper.outputs))
    arguments = [keeper.connection.broker, keeper.application, str(keeper.partition), names]
    with subprocess.Popen(  # noqa: ASYNC220 - starting takes no time, and reading is done in a thread
        [sys.executable, "-m", "tests.kafka.dying", *arguments], stdout=subprocess.PIPE, text=True
    ) as dying:
        assert dying.stdout is not None
        try:
            said = await asyncio.to_thread(dying.stdout.readline)
        finally:
            dying.kill()
    assert said == "sent\n"
    began = time.monotonic()
    rows, positions = await keeper.owner().open()
    took_s = time.monotonic() - began
    assert (rows, positions) == ({b"a": b"1"}, {"cs.chat": 8})
    assert took_s < QUICK_S, "the new owner ends the old transaction, whose timeout is half as long again"
    assert await keeper.fact_ids(isolation="read_uncommitted") == ["kept", "never"]
    assert await keeper.fact_ids() == ["kept"]


async def test_a_step_that_took_longer_than_its_transaction_may_is_fenced(keeper: KafkaKeeper) -> None:
    class Slow(KafkaLedger):
        async def _end(self, ending: Awaitable[None]) -> None:
            await asyncio.to_thread(_aborted)
            await super()._end(ending)

    def _aborted() -> None:
        # The broker has written its abort marker when a committed reader gets past the records sent.
        asyncio.run(keeper.read(keeper.outputs.tables))

    owner = keeper.owner(Slow, transaction_timeout_ms=1_000)
    await owner.open()
    with pytest.raises(FencedError, match="longer than 1000 ms"):
        await owner.commit(step("late", {b"a": b"1"}), {"cs.chat": 1})
    assert await keeper.owner().open() == ({}, {})


async def test_a_commit_that_is_cancelled_leaves_no_transaction_open(keeper: KafkaKeeper) -> None:
    owner = keeper.owner()
    await owner.open()
    # Wherever it is cancelled: before the sends, between them, or in the end.
    for name, after_s in (("one", 0), ("two", 0.003), ("three", 0.01), ("four", 0.02)):
        committing = asyncio.create_task(owner.commit(step(name, {b"a": name.encode()}), {}))
        await asyncio.sleep(after_s)
        committing.cancel()
        await asyncio.gather(committing, return_exceptions=True)
        await owner.close()
        rows, _ = await asyncio.wait_for(owner.open(), QUICK_S)
        seen = await keeper.fact_ids()
        assert (name in seen) == (rows.get(b"a") == name.encode()), "all of the step is there, or nothing"


async def test_facts_are_those_of_memory_each_once_though_owners_fence_each_other(
    keeper: KafkaKeeper,
) -> None:
    lines = [f"10:{n // 6:02}:{n % 6}0 c>A @c{n % 7}" for n in range(100)]
    lines += [f"10:{20 + n // 6:02}:{n % 6}5 A human @c{n % 7}" for n in range(100)]
    records = records_of(chat(*lines))
    store = Store()
    plain = Runner(load("handbook"), MemoryLedger(store), TOPICS)
    await plain.open()
    plain.feed("cs.chat", records)
    while await plain.step(limit=30):
        pass

    fenced = 0
    owners = [Runner(load("handbook"), keeper.owner(), TOPICS)]
    await owners[0].open()
    for number in range(1, 100):
        runner = owners[-1]
        runner.feed("cs.chat", records)
        if number % 3 == 0:
            owners.append(Runner(load("handbook"), keeper.owner(), TOPICS))
            await owners[-1].open()
        try:
            if not await runner.step(limit=30):
                break
        except FencedError:
            fenced += 1
    assert fenced > 1
    seen = [record.value for record in await keeper.read(keeper.outputs.facts)]
    assert seen == [facts.encode(fact) for fact in store.facts]
    rows, positions = await keeper.owner().open()
    assert (rows, positions["cs.chat"]) == (store.rows, store.positions["cs.chat"])


# ---- a broker that goes away ----------------------------------------------------------------------------------------


async def test_a_commit_waits_for_the_broker_to_come_back_and_leaving_does_not(
    keeper: KafkaKeeper, mortal: Node
) -> None:
    owner = keeper.owner()
    await owner.open()
    await owner.commit(step("before", {b"a": b"1"}), {"cs.chat": 1})
    mortal.kill()
    committing = asyncio.create_task(owner.commit(step("during", {b"a": b"2"}), {"cs.chat": 2}))
    await asyncio.to_thread(mortal.go_on)
    await asyncio.wait_for(committing, 30)
    await owner.commit(step("after", {b"b": b"3"}), {"cs.chat": 3})
    assert await keeper.fact_ids() == ["before", "during", "after"]
    mortal.kill()
    committing = asyncio.create_task(owner.commit(step("never", {b"a": b"4"}), {"cs.chat": 3}))
    assert owner._producer is not None
    queues = owner._producer._message_accumulator._batches
    async with asyncio.timeout(QUICK_S):
        # Rows, a fact, a dead letter.
        while len(unsent := [*chained.from_iterable(queues.values())]) < 3:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
    committing.cancel()
    began = time.monotonic()
    await owner.close()
    assert time.monotonic() - began < kafka_ledger.CLOSE_S + 5, "a busy machine adds some; the broker is away"
    for batch in unsent:
        assert batch.future.done()
        assert not batch.future._log_traceback, "asyncio writes a trace of what failed and nobody heard"
    with pytest.raises(LedgerError, match=mortal.address):
        await owner.open()


@pytest.mark.parametrize("back", ["after", "before"])
async def test_what_is_still_under_way_when_a_ledger_is_left_ends_without_a_word(
    keeper: KafkaKeeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, back: str
) -> None:
    owner = keeper.owner()
    await owner.open()
    assert owner._producer is not None
    client, accumulator = owner._producer.client, owner._producer._message_accumulator
    asked, answered, send = asyncio.Event(), asyncio.Event(), client.send

    async def send_late(node: int, request: object, **more: object) -> object:
        if not isinstance(request, ProduceRequest):
            return await send(node, request, **more)
        asked.set()
        await answered.wait()
        raise RequestTimedOutError

    monkeypatch.setattr(client, "send", send_late)
    committing = asyncio.create_task(owner.commit(step("f", {b"a": b"1"}), {"cs.chat": 1}))
    await asyncio.wait_for(asked.wait(), QUICK_S)
    under_way = [*accumulator._pending_batches]
    assert len(under_way) == 3, "rows, a fact, a dead letter"

    def put_back() -> None:
        for batch in under_way:
            accumulator.reenqueue(batch)  # as a request does that failed and is to be tried again

    if back == "before":
        put_back()
    committing.cancel()
    await owner.close()
    answered.set()
    if back == "after":
        put_back()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


# ---- sizes ----------------------------------------------------------------------------------------------------------


async def test_a_row_too_large_for_its_topic_fails_the_whole_step(keeper: KafkaKeeper) -> None:
    owner = keeper.owner()
    await owner.open()
    with pytest.raises(LedgerError, match=r"\.tables partition \d+ does not take a batch of 20000\d\d bytes"):
        await owner.commit(step("f", {b"a": b"1", b"large": bytes(2_000_000)}), {"cs.chat": 1})
    rows, positions = await owner.open()
    assert (rows, positions) == ({}, {})
    assert keeper.published() == ([], [], 0)
    await owner.commit(step("g", {b"a": b"1"}), {"cs.chat": 1})
    assert keeper.published() == (["g"], [], 1)


async def test_a_fact_that_cannot_be_written_fails_the_whole_step(keeper: KafkaKeeper) -> None:
    owner = keeper.owner()
    await owner.open()
    broken = step("f", {b"a": b"1"})
    broken.facts[-1].shop = "\ud800"  # half a character
    with pytest.raises(UnicodeEncodeError):
        await owner.commit(broken, {"cs.chat": 1})
    assert await owner.open() == ({}, {})
    assert keeper.published() == ([], [], 0)
    await owner.commit(step("g", {b"a": b"1"}), {"cs.chat": 1})
    assert keeper.published() == (["g"], [], 1)


async def test_the_broker_s_own_refusal_of_a_record_fails_the_whole_step(
    keeper: KafkaKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = keeper.owner()
    await owner.open()
    monkeypatch.setitem(owner._largest, keeper.outputs.tables, 10_000_000)  # the topic was changed meanwhile
    with pytest.raises(LedgerError, match=r"does not take a batch of 20000\d\d bytes"):
        await owner.commit(step("f", {b"large": bytes(2_000_000)}), {"cs.chat": 1})
    assert await owner.open() == ({}, {})
    assert keeper.published() == ([], [], 0)


async def test_a_step_of_many_rows_goes_out_in_batches_and_loads_fast(keeper: KafkaKeeper) -> None:
    owner = keeper.owner()
    await owner.open()
    rows: dict[bytes, bytes | None] = {b"row %05d" % n: b"%05d" % n * 60 for n in range(20_000)}
    await owner.commit(Step(rows=rows), {"cs.chat": 1})
    began = time.monotonic()
    again, _ = await keeper.owner().open()
    assert time.monotonic() - began < QUICK_S
    assert again == rows


async def test_a_dead_letter_carries_the_original_and_says_what_is_wrong(keeper: KafkaKeeper) -> None:
    given = (("trace", b"1"), ("trace", b"2"), ("none", None))  # Kafka knows headers without a value
    record = Record("cs.chat", keeper.partition, 7, b"{", 0, b"shop", given)
    owner = keeper.owner()
    await owner.open()
    await owner.commit(Step(dead_letters=[DeadLetter("not_json", "ends early 亲", record)]), {"cs.chat": 8})
    [letter] = await keeper.read(keeper.outputs.dead_letters)
    assert (letter.key, letter.value) == (b"shop", b"{")
    assert letter.headers == (
        *given,
        ("cs-reason", b"not_json"),
        ("cs-error", "ends early 亲".encode()),
        ("cs-topic", b"cs.chat"),
        ("cs-partition", str(keeper.partition).encode()),
        ("cs-offset", b"7"),
    )


async def test_a_dead_letter_larger_than_its_topic_is_cut_and_says_so(keeper: KafkaKeeper) -> None:
    value = b"x" * 3_000_000
    record = Record("cs.chat", keeper.partition, 7, value, key=b"shop")
    owner = keeper.owner()
    await owner.open()
    await owner.commit(Step(dead_letters=[DeadLetter("too_large", "3 MB", record)] * 2), {"cs.chat": 8})
    letter, _ = await keeper.read(keeper.outputs.dead_letters)
    headers = dict(letter.headers)
    assert (headers["cs-truncated"], len(headers["cs-sha256"])) == (b"3000000", 64)
    assert value.startswith(letter.value)
    assert len(letter.value) > 1_000_000


@pytest.mark.parametrize("large", ["key", "headers", "error", "all"])
def test_a_dead_letter_fits_whatever_of_it_is_large(large: str) -> None:
    much = {name: 100_000 if large in {name, "all"} else 10 for name in ("key", "headers", "error")}
    record = Record("t", 0, 1, b"v" * 50, 0, b"k" * much["key"], (("h", b"h" * much["headers"]),))
    written = dead_letter(DeadLetter("internal", "亲" * much["error"], record), 50_000)
    assert written.size() <= 50_000
    headers = dict(written.headers)
    assert headers["cs-reason"] == b"internal"
    assert (headers["cs-error"] or b"").decode().startswith("亲")


# ---- what does not fit ----------------------------------------------------------------------------------------------


async def own_topic(connection: Connection, name: str, partitions: int) -> None:
    await ensure(connection, [Topic(name, "of a test", False, {})], asked=partitions)


async def test_rows_of_an_input_that_was_made_anew_are_refused(keeper: KafkaKeeper) -> None:
    name = f"{keeper.outputs.tables}.input"
    await own_topic(keeper.connection, name, keeper.partition + 1)
    try:
        await write(keeper.connection, name, keeper.partition, [b"1", b"2"])
        owner = keeper.owner(inputs=(name,))
        await owner.open()
        await owner.commit(step("f", {}), {name: 2})
        assert await owner.open() == ({}, {name: 2})
        await delete(keeper.connection, name)
        await made_anew(keeper.connection, name, keeper.partition + 1)
        await write(keeper.connection, name, keeper.partition, [b"3", b"4"])
        with pytest.raises(RefusedError, match=rf"{name} was deleted and made anew.*csstream rebuild"):
            await owner.open()
        await delete(keeper.connection, name)
        await made_anew(keeper.connection, name, keeper.partition + 2)
        with pytest.raises(RefusedError, match=rf"{name} has \d+ partitions, and .* shops lie elsewhere"):
            await owner.open()
    finally:
        await delete(keeper.connection, name)


async def made_anew(connection: Connection, name: str, partitions: int) -> None:
    """A topic made again; the broker forgets a deleted one a moment later."""
    async with asyncio.timeout(10), connection.client("tests") as client:
        while await find_topics(client, [name]):  # noqa: ASYNC110 - the broker sends no event
            await asyncio.sleep(0.05)
    await own_topic(connection, name, partitions)


async def test_rows_that_go_on_beyond_the_end_of_an_input_are_refused(keeper: KafkaKeeper) -> None:
    owner = keeper.owner()
    await owner.open()
    await owner.commit(step("f", {}), {"cs.chat": 1_000_000})
    with pytest.raises(
        RefusedError, match=r"holds records from 0 up to \d+, and .* go on at 1000000: records are gone"
    ):
        await owner.open()


async def test_a_missing_topic_is_named_with_the_command_that_makes_it(keeper: KafkaKeeper) -> None:
    owner = keeper.owner(outputs=Outputs(tables="cs-test-nowhere"))
    with pytest.raises(RefusedError, match=r"cs-test-nowhere is missing.*csstream topics --broker 127"):
        await owner.open()


async def test_rows_that_are_not_ours_are_refused(keeper: KafkaKeeper) -> None:
    await put_row(keeper, state.POSITIONS, b"7")
    with pytest.raises(RefusedError, match="is not csstream's"):
        await keeper.owner().open()
    assert await keeper.owner().seize() == (set(), {}), "they may be made anew"
    await put_row(keeper, state.META, msgspec.json.encode(Meta(application="theirs")))
    with pytest.raises(RefusedError, match=r"of the application 'theirs'.*its old name"):
        await keeper.owner().seize()  # whose workers would not be fenced


async def put_row(keeper: KafkaKeeper, key: bytes, value: bytes) -> None:
    """A row as no ledger writes it."""
    producer = AIOKafkaProducer(**keeper.connection.settings("tests"))
    await producer.start()
    await producer.send_and_wait(keeper.outputs.tables, value, key, keeper.partition)
    await producer.stop()


@pytest.mark.parametrize("meta", [Meta(codec=CODEC + 1), Meta(rules=state.RULES + 1)])
async def test_rows_of_a_newer_program_are_refused(keeper: KafkaKeeper, meta: Meta) -> None:
    await put_row(keeper, state.META, msgspec.json.encode(meta))
    with pytest.raises(RefusedError, match="run the newer csstream"):
        await keeper.owner().open()
    with pytest.raises(RefusedError, match="run the newer csstream"):
        await keeper.owner().seize(some=True)  # the others stay, and would be misread
    assert await keeper.owner().seize() == (set(), {})


async def test_the_rows_say_under_which_policies_they_came_about(keeper: KafkaKeeper) -> None:
    for policy in ("p@1", "p@1", "p@2"):
        owner = keeper.owner(policy=policy)
        await owner.open()
        await owner.commit(step("f", {}), {})
        await owner.commit(step("f", {}), {})
    metas = [r.value for r in await keeper.read(keeper.outputs.tables) if r.key == state.META]
    assert [json.loads(meta)["policies"] for meta in metas] == [["p@1"], ["p@1", "p@2"]]


# ---- for others to see ----------------------------------------------------------------------------------------------


async def test_lag_tools_see_the_positions_at_the_latest_when_a_worker_leaves(keeper: KafkaKeeper) -> None:
    group = keeper.application
    owner = keeper.owner(group=group)
    await owner.open()
    await owner.commit(step("f", {}), {"cs.chat": 1})
    await owner.commit(step("g", {}), {"cs.chat": 2, "cs.orders": 1})  # less than a second later
    await owner.close()
    admin = AIOKafkaAdminClient(**keeper.connection.settings("tests"))
    await admin.start()
    try:
        shown = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    assert shown[TopicPartition("cs.chat", keeper.partition)].offset == 2
    assert shown[TopicPartition("cs.orders", keeper.partition)].offset == 1


async def test_opening_says_what_it_waits_for(keeper: KafkaKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SAY_S", 0.2)
    stranger = AIOKafkaProducer(
        **keeper.connection.settings("tests"), transactional_id=keeper.application + "-x"
    )
    await stranger.start()
    await stranger.begin_transaction()
    await stranger.send_and_wait(keeper.outputs.tables, b"{}", b"x", keeper.partition)
    heard: asyncio.Queue[str] = asyncio.Queue()
    owner = keeper.owner()
    monkeypatch.setattr(owner, "_say", heard.put_nowait)
    opening = asyncio.create_task(owner.open())
    said = await asyncio.wait_for(heard.get(), QUICK_S)
    assert "rows are read up to 0 of 1" in said
    await stranger.abort_transaction()
    await stranger.stop()
    assert await asyncio.wait_for(opening, QUICK_S) == ({}, {})
