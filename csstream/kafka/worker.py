"""The life of a worker process: it joins the group, owns partitions, shows figures, and ends in order.

Faust tells when partitions come and go. A rebalance revokes all of them, and mostly gives the same ones back at once:
so each goes on meanwhile, loading or with what is at hand, and is kept if it is ours in the very next generation of the
group. What comes is loaded by a task of its own, so that a rebalance waits for nobody. At the end Faust does not tell:
the worker closes its partitions itself, before Faust leaves the group. Every wait on the way out is bounded, and a
thread that still hangs then is left behind.

Figures of a shop are shown only under a lease: while the last heartbeat that the group answered is younger than the
session, nobody else can own the partition. So a worker that was frozen shows no shop twice.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from csstream import __version__
from csstream.core import COMPILED
from csstream.core.board import Board
from csstream.core.engine import Engine
from csstream.exporter import Exporter, Snapshots
from csstream.kafka.app import topology
from csstream.kafka.consumer import RecordList
from csstream.kafka.health import readings, sights, unready
from csstream.kafka.partition import GATHER_S, MOST_RECORDS, TRANSACTIONS, Counts, Partition
from csstream.kafka.partitioner import misplaced
from csstream.kafka.signoff import will as sign_off
from csstream.kafka.topics import look, named, plan, refuse
from csstream.kafka.watchdog import Sight, Watchdog
from csstream.kiosk import Will
from csstream.ledgers.kafka import Connection, KafkaLedger, UnreachableError
from csstream.policy import Policy
from csstream.runner import BOARD_SHARE, Runner
from csstream.settings import Settings

SHOW_S = 1.0, 2.0
"""How often figures are taken, at most, and while more is unread than a step takes: what they show then is old anyhow."""

SHARES = 0.05, 0.03
"""Most of the time that this takes, and while a partition is loaded: that one is waited for."""

LATEST_S = 10.0
"""Most time between two takings: one that a frozen machine drew out does not say how long the next one takes."""

HANDOVER_S = 1.0
"""Figures of a partition are shown so long after its assignment: by then its last owner has been told."""

STOP_S = 6.0
"""Most time that leaving the group takes, once the partitions are closed."""

log = logging.getLogger(__name__)


class WorkerError(Exception):
    """The worker cannot run; the text says what to do."""


COLLECT = (1_000_000, 50, 50)
"""When Python looks for cycles: what a step makes has none, and is more than 100,000 objects while it lives."""


TURN_S = 0.001
"""How long a thread waits for its turn while another one computes. Figures are printed and records fetched in threads
of their own; with Python's own 5 ms these take long under full load, and the work is no faster for it."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is told."""

    connection: Connection
    policy: Policy
    settings: Settings = field(default_factory=Settings)


async def work(options: WorkerOptions) -> None:
    """Run until SIGTERM or SIGINT. Raises `WorkerError`, `TopicsError`, `UnreachableError`, `ExporterError`."""
    gc.set_threshold(*COLLECT)
    sys.setswitchinterval(TURN_S)
    inputs, _, topics = named(options.settings.topics_prefix)
    existing, brokers = await look(options.connection, topics)
    refuse(plan(existing, topics, brokers=brokers), options.connection.broker)
    worker = Worker(options, existing[inputs[0]].partitions)
    with _signals(worker.ask_to_stop):
        await worker.run()


class Worker:
    """One process of the group."""

    def __init__(self, options: WorkerOptions, partitions: int) -> None:
        self.options = options
        self.settings = options.settings
        self._partitions = partitions
        self.counts = Counts()
        self.owned: dict[int, Partition] = {}
        self.exporter = Exporter()
        # Engines of many rows are made beside the event loop, one after the other: partitions that are ready go on.
        self._loader = ThreadPoolExecutor(1, "loader")
        self._delay_ms = round(self.settings.live_delay_s * 1000)
        self._beats = 0
        self._round = 0
        self._generation = -1
        self._joined = False
        self._asked = asyncio.Event()
        self._snapshots = Snapshots(__version__, options.policy.tag, self.settings.metrics_agents)
        self._inputs, self._outputs, _ = named(options.settings.topics_prefix)
        self.app = topology(self.settings, options.connection, self._inputs, self._put)
        self._source = self.app.source
        self._watchdog = Watchdog(self.settings.watchdog_after_s, self._see, self._answers, self._warn)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_partitions_revoked.connect(self._revoked)

    def ask_to_stop(self) -> None:
        """End soon, in order."""
        self._asked.set()

    async def run(self) -> None:
        """Until asked to stop. Raises `WorkerError` where Faust gives up."""
        address = self.exporter.start(
            self.settings.metrics_host, self.settings.metrics_port, apart=True, will=self._will
        )
        log.info(
            "worker of %s at %s, core %s; /metrics is on %s",
            self.settings.application,
            self.options.connection.broker,
            "compiled" if COMPILED else "in Python",
            address,
        )
        self._watchdog.start()
        tasks = [
            asyncio.create_task(self._asked.wait()),
            asyncio.create_task(self._faust()),
            asyncio.create_task(self._show()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            failed = next((task.exception() for task in tasks if task.done() and task.exception()), None)
        finally:
            await self._leave(tasks)
        if failed is not None:
            raise WorkerError(
                f"the worker ended by itself: {str(failed) or type(failed).__name__}"
            ) from failed

    async def _faust(self) -> None:
        """Faust's own life; ends where Faust crashes."""
        await self.app.start()
        await self.app.wait_until_stopped()
        if self.app.crash_reason is not None:
            raise self.app.crash_reason

    async def _leave(self, tasks: Sequence[asyncio.Task[object]]) -> None:
        began_s = time.monotonic()
        self._watchdog.stop()
        self.exporter.unready = "stopping"
        await self._close(self.owned)
        for task in tasks[1:]:
            task.cancel()
        try:
            async with asyncio.timeout(STOP_S):
                await self.app.stop()
        except Exception as error:  # noqa: BLE001 - it is over in any case
            log.warning("the group was not left in order: %s", str(error) or type(error).__name__)
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        self._loader.shutdown(wait=False, cancel_futures=True)
        self.exporter.stop()
        log.info("stopped after %.1f s", time.monotonic() - began_s)

    def _will(self) -> Will | None:
        """If we are killed, somebody else has to leave the group for us. Called in the exporter's thread."""
        member = self._source.member
        return sign_off(self.options.connection, self.settings.application, member) if member else None

    # ---- partitions come and go -----------------------------------------------------------------------------

    async def _assigned(self, *told: Any, **_: Any) -> None:
        generation = self.app.consumer_generation_id
        if generation != self._generation + 1:
            await self._close(self.owned)  # between that one and this another worker may have had them
        self._generation = generation
        if self._asked.is_set():
            return
        _, assigned = told
        self._round = self._source.begin_round()
        numbers = sorted({place.partition for place in assigned if place.topic in self._inputs})
        log.info("partitions %s are ours", ", ".join(map(str, numbers)) or "(none)")
        kept = [partition for number, partition in self.owned.items() if number in numbers]
        gone = self.owned.keys() - set(numbers)
        for number in numbers:
            if number not in self.owned:
                self.owned[number] = self._partition(number)
            partition = self.owned[number]
            partition.gather_s = min(max(GATHER_S[0], len(numbers) / TRANSACTIONS), GATHER_S[1])
            partition.runner.board_share = BOARD_SHARE / len(numbers)
        self._joined = True
        self.exporter.tell()  # who we are in the group, should we die in the next second
        for partition in kept:
            partition.keep()
        await self._close(gone)

    async def _revoked(self, *_: Any, **__: Any) -> None:
        for partition in self.owned.values():
            partition.doubt()

    async def _close(self, numbers: Iterable[int]) -> None:
        """Leave partitions; nothing of them is shown any more."""
        leaving = [self.owned.pop(number) for number in tuple(numbers)]
        if leaving:
            self._update()
            await asyncio.gather(*(partition.stop() for partition in leaving))

    def _partition(self, number: int) -> Partition:
        options = self.options
        ledger = KafkaLedger(
            options.connection,
            self.settings.application,
            number,
            self._inputs,
            self._outputs,
            policy=options.policy.tag,
            group=self.settings.application,
        )
        runner = Runner(
            options.policy,
            ledger,
            self._inputs,
            process=self.counts.process,
            failed=self.counts.failed,
            misplaced=misplaced(self.settings.partitioner, number, self._partitions),
            board=Board(),
            elsewhere=self._elsewhere,
        )
        return Partition(
            number,
            runner,
            ledger,
            self._source,
            self._inputs,
            self.counts,
            self.owned,
            max_wait_s=self.settings.merge_max_wait_s,
            delay_ms=self._delay_ms,
        )

    async def _elsewhere(self, make: Callable[[], Engine]) -> Engine:
        return await asyncio.get_running_loop().run_in_executor(self._loader, _calmly, make)

    def _put(self, fetched: RecordList) -> None:
        partition = self.owned.get(fetched.partition)
        if partition is not None and fetched.round == self._round:
            partition.put(fetched)

    # ---- what is shown --------------------------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            began_s = time.monotonic()
            self._beats += 1
            self.exporter.unready = self.unready()
            self._update()
            took_s = time.monotonic() - began_s
            share = SHARES[any(partition.state == "loading" for partition in self.owned.values())]
            least_s = SHOW_S[sum(sum(p.lag().values()) for p in self.owned.values()) > MOST_RECORDS]
            await asyncio.sleep(max(least_s - took_s, min(took_s / share - took_s, LATEST_S)))

    @property
    def _lease_s(self) -> float:
        """Until then (`time.monotonic`) nobody else can own our partitions."""
        return self._source.known_s + self.settings.group_session_s

    def _leased(self) -> bool:
        return self._joined and time.monotonic() < self._lease_s

    def _update(self) -> None:
        since_s = time.monotonic() - HANDOVER_S if self._leased() else float("-inf")
        shown = [
            p for p in self.owned.values() if p.state == "ready" and p.runner.is_open and p.began_s <= since_s
        ]
        shops = [shop for partition in shown for shop in partition.runner.engine.shops.values()]
        counts = self.counts
        snapshot = self._snapshots.take(
            shops,
            counts.process,
            failed=counts.failed,
            rows=sum((partition.runner.rows for partition in self.owned.values()), Counter()),
            steps=counts.steps,
            driver=readings(self.owned, counts),
        )
        self.exporter.update(snapshot, self._lease_s)

    def unready(self) -> str | None:
        """Why the worker is not ready, in words; None if it is."""
        if not self._joined:
            return "joining the group"
        if not self._leased():
            return "the group does not answer"
        return unready(self.owned, self._delay_ms)

    # ---- the watchdog's thread --------------------------------------------------------------------------------

    def _see(self) -> list[Sight]:
        loop = Sight("the event loop", self._beats, True)
        group = Sight("membership in the group", self._source.known_s, True, excused=True)
        return [loop, group, *sights(self.owned)]

    def _answers(self) -> bool:
        """Whether a broker answers a client that has nothing to do with the consumer, and what we read has leaders."""

        async def ask() -> bool:
            async with asyncio.timeout(5), self.options.connection.client("csstream-watchdog") as client:
                cluster = await client.fetch_all_metadata()
            read = [TopicPartition(topic, number) for topic in self._inputs for number in tuple(self.owned)]
            return -1 not in map(cluster.leader_for_partition, read)

        try:
            return asyncio.run(ask())
        except (UnreachableError, KafkaError, OSError):
            return False

    def _warn(self, stuck: str | None) -> None:
        self.exporter.dead = stuck


def _calmly(make: Callable[[], Engine]) -> Engine:
    """Make an engine without looking for cycles among its many small objects, which stay: neither now nor later."""
    gc.disable()
    try:
        return make()
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT ask to stop; a second one of either ends at once."""
    loop = asyncio.get_running_loop()
    asked = False

    def handle() -> None:
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError):
                loop.remove_signal_handler(number)
