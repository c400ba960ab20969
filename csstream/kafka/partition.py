"""One partition that this worker owns: it loads, gathers, steps, and lets time pass.

A partition is a task of its own and waits for nobody: lists are handed to it (`put`), never awaited from it, so a slow
or broken partition holds up no other. It looks after itself at a steady pace instead of being woken: each look
either takes what has gathered, or lets time pass, or finds nothing to do.

The time of a partition is the earliest over its topics (DESIGN decision 5): of a topic that is read to its end, when
the broker said so; of one with records at hand, the time of the next; of one with unread records and none at hand, that
of the newest that came. So a feed that cannot be read stops the clock, and load does not. But the time of a record
tells when its event was only where the two are close: while an old log comes in, nothing but its events moves the
clock until it is read to its end (SPEC 3).
"""

import asyncio
import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from faust.types import TP

from csstream.core.engine import Process, Step
from csstream.core.metrics import ALERT_DELAY_S, LOAD_S
from csstream.events import Reject, decode
from csstream.exporter import Steps
from csstream.kafka.consumer import Consumer, Look, RecordList
from csstream.ledgers import FencedError, LedgerError
from csstream.ledgers.kafka import KafkaLedger, RefusedError
from csstream.runner import STEP_RECORDS, GapError, Runner

GATHER_S = (0.02, 0.2)
"""Least and most time between two steps of a partition, where less than a full step is at hand."""

FILL_S = 0.3
"""Most time in which a step is filled, while enough for it is unread."""

TRANSACTIONS = 40
"""Transactions a second that all partitions of a worker aim at together."""

STEP_S = 0.5
"""Work of one step; what takes longer is cut smaller the next time."""

AIM = 0.9
"""Where more is at hand than a step takes, the next one grows to this part of that: what is done once a customer and
step, and the wait for the commit, are a smaller part of it."""

TICK_S = 0.2
"""How often time passes where no records come."""

MOST_RECORDS = 60_000
"""Most records of a step. What is kept of a customer is written once a step: a backlog is worked off in large ones."""

LEARNT_RECORDS = 500
"""Steps of fewer records do not tell how fast it goes."""

TIMELY_MS = 60_000
"""Where the record of an event is older or younger than the event by more, its time says nothing of the next one's."""

DUES = 5_000
"""Most dues of one step: at midnight every open customer is due at once."""

FULL_RECORDS = 2 * MOST_RECORDS
FULL_S = 3.0
FULL_BYTES = 32 << 20
"""At hand of one topic, so many records, so much work or so many bytes are enough: it is read on at half."""

AT_HAND_BYTES = 192 << 20
"""Where all partitions of a worker have so many at hand together, an equal part of them is enough for each topic of each."""

AGAIN_S = 2.0
BROKEN_S = 30.0
"""Until a partition that could not be loaded, or does not fit, is tried again."""

GAP_S = 2.0
"""For so long at least a record, or the end of a log, is missing before it is taken for gone."""

FENCED_S = 4.0
"""After a fence: time for the group to tell us that the partition is not ours any more."""

log = logging.getLogger(__name__)


class LostError(LedgerError):
    """Records that are needed next are not in their topic any more."""


@dataclass
class Counts:
    """What all partitions of a worker count together; it begins at 0 with the process, and never decreases."""

    process: Process = field(default_factory=Process)
    failed: Counter[str] = field(default_factory=Counter)
    waived: Counter[str] = field(default_factory=Counter)
    steps: Steps = field(default_factory=Steps)
    loads: list[float] = field(default_factory=lambda: [0.0] * (len(LOAD_S) + 2))
    alert_delays: list[float] = field(default_factory=lambda: [0.0] * (len(ALERT_DELAY_S) + 2))


def observe(histogram: list[float], bounds: Sequence[float], seconds: float) -> None:
    """Count a duration in its bucket, and add it to the sum (the last place)."""
    histogram[bisect_left(bounds, seconds)] += 1
    histogram[-1] += seconds


class Partition:
    """One partition, from its assignment until it is taken away."""

    def __init__(
        self,
        number: int,
        runner: Runner,
        ledger: KafkaLedger,
        source: Consumer,
        topics: Sequence[str],
        counts: Counts,
        beside: "Mapping[int, Partition]",
        *,
        max_wait_s: float = 5.0,
        delay_ms: int = 0,
    ) -> None:
        self.number = number
        self.runner = runner
        self.state = "loading"
        self.why = ""
        """Why it is not ready, in words; empty while it simply loads."""
        self.clock_ms: int | None = None
        self.gather_s = GATHER_S[1]
        self.applied = 0
        """Counts steps that took records, or found nothing left to take."""
        self._ledger = ledger
        self._source = source
        self._places = {topic: TP(topic, number) for topic in topics}
        self._counts = counts
        self._beside = beside  # all partitions of the worker, this one among them
        self._max_wait_s = max_wait_s
        self._delay_ms = delay_ms
        self._limit = STEP_RECORDS
        self._timely = False
        self._rate = 0.0
        self.full: set[str] = set()
        """Topics that are not read on until some of what is at hand is worked off."""
        self._gaps: dict[str, tuple[int, float]] = {}
        """By topic, the record that is missing, and since when."""
        self._cut: dict[str, tuple[int, int]] = {}
        """By topic, the position that its log does not reach any more, and since which answer."""
        self._lost: LostError | None = None
        self._starved_s: float | None = None
        self._waiving: frozenset[str] = frozenset()
        self._ticked_s = 0.0
        self.began_s = time.monotonic()
        """When it was assigned."""
        self._ours: set[asyncio.Task[None]] = set()
        self._filled = asyncio.Event()
        """A full step is at hand, or as much as may be."""
        self._certain = asyncio.Event()
        self._certain.set()
        runner.on_step = self._heard
        self._task = asyncio.create_task(self._live(), name=f"partition {number}")

    # ---- records come ---------------------------------------------------------------------------------------

    def put(self, fetched: RecordList) -> None:
        """Take a list in. Does not wait."""
        if self.state != "ready":
            return  # it is read again from where the rows are, once they are loaded
        topic = fetched.topic
        try:
            self.runner.feed(topic, fetched.records, begin=fetched.begin, end=fetched.end)
        except GapError as error:
            self._read_again(topic, error)
            return
        self._gaps.pop(topic, None)
        merge = self.runner.merge
        if merge.at_hand() >= self._limit:
            self._filled.set()
        if merge.at_hand(topic) > self._most() or merge.bytes_at_hand(topic) > self._most_bytes():
            self.full.add(topic)
            self._filled.set()
            self._source.on_buffer_full(self._places[topic])

    def _read_again(self, topic: str, error: GapError) -> None:
        """Lists are dropped by Faust now and then; the records are still there, unless the log begins later now.

        Lists that were under way behind the one that is missing come in first.
        """
        needed, now_s = self.runner.next_position(topic), time.monotonic()
        known, since_s = self._gaps.get(topic, (-1, now_s))
        if known != needed:
            self._gaps[topic] = needed, now_s
            log.info("partition %d: %s; reading again", self.number, error)
        elif now_s - since_s >= GAP_S:
            self._lost = LostError(f"partition {self.number}: {error}; records are gone unread")
            return
        self._read_from({self._places[topic]: needed})

    def _read_from(self, positions: Mapping[TP, int]) -> None:
        task = asyncio.create_task(self._source.read_from(positions))
        self._ours.add(task)
        task.add_done_callback(self._ours.discard)

    def _most(self) -> float:
        return max(FULL_RECORDS, FULL_S * self._rate)

    def _most_bytes(self) -> float:
        together = sum(
            partition.runner.merge.bytes_at_hand(topic)
            for partition in self._beside.values()
            for topic in partition._places
        )
        return FULL_BYTES if together < AT_HAND_BYTES else min(FULL_BYTES, AT_HAND_BYTES / len(self._beside))

    def _relieve(self) -> None:
        """Read on where half is worked off."""
        for topic in tuple(self.full):
            merge = self.runner.merge
            if (
                merge.at_hand(topic) < self._most() / 2
                and merge.bytes_at_hand(topic) < self._most_bytes() / 2
            ):
                self.full.discard(topic)
                self._source.on_buffer_drop(self._places[topic])

    # ---- its life -------------------------------------------------------------------------------------------

    def doubt(self) -> None:
        """The group is deciding anew whose the partition is: go on with what is at hand, and open nothing.

        Nothing can go wrong by that: whoever gets it opens it, and from then on our commits are refused.
        """
        self._certain.clear()

    def keep(self) -> None:
        """It stayed ours: read on from behind what is at hand. Does not wait."""
        self.full.clear()
        self._gaps.clear()
        if self.state == "ready":
            topics = self._places.items()
            self._read_from({place: self.runner.next_position(topic) for topic, place in topics})
        self._certain.set()

    async def stop(self) -> None:
        """Leave it in order; a step under way is waited for or aborted. Takes 3 s at most."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for task in tuple(self._ours):
            task.cancel()
        try:
            await self.runner.close()
        except Exception:
            log.exception("partition %d could not be left in order", self.number)

    async def _live(self) -> None:
        while True:
            try:
                await self._certain.wait()  # what another one has by now is not to be taken away again
                await self._load()
                await self._work()
            except FencedError as error:
                wait_s = FENCED_S
                if self._certain.is_set():
                    self._counts.failed["fenced"] += 1
                    self._down("loading", error, logging.WARNING)
                else:
                    self._down("loading", error, logging.INFO)  # its new owner was told before us
            except (RefusedError, LostError) as error:
                wait_s = BROKEN_S
                self._down("broken", error, logging.ERROR)
            except LedgerError as error:
                wait_s = AGAIN_S
                self._down("loading", error, logging.WARNING)
            except Exception as error:
                wait_s = BROKEN_S
                log.exception("partition %d is given up, and tried again in %d s", self.number, wait_s)
                self._down("broken", error, logging.ERROR)
            await asyncio.sleep(wait_s)

    def _down(self, state: str, error: Exception, level: int) -> None:
        self.state, self.why = state, str(error)
        self.clock_ms = None
        log.log(level, "partition %d: %s", self.number, error)

    async def _load(self) -> None:
        self.state = "loading"
        await self.runner.open()
        self.full.clear()
        self._gaps.clear()
        self._cut.clear()
        self._lost = None
        positions = {self._places[topic]: position for topic, position in self.runner.positions.items()}
        self.state, self.why = "ready", ""
        await self._source.read_from(positions)
        seconds = time.monotonic() - self.began_s
        observe(self._counts.loads, LOAD_S, seconds)
        log.info(
            "partition %d is ready after %.1f s: %d shops",
            self.number,
            seconds,
            len(self.runner.engine.shops),
        )

    async def _work(self) -> None:
        while True:
            began_s = time.monotonic()
            if self._lost is not None:
                raise self._lost
            await self._step(began_s)
            self._relieve()
            await self._gather(began_s)

    async def _gather(self, began_s: float) -> None:
        """Until a full step is at hand: for `gather_s` since the last one began; longer where enough is unread."""
        left_s = self.gather_s - (time.monotonic() - began_s)
        at_hand = self.runner.merge.at_hand()
        if not self.full and sum(self.lag().values()) - at_hand >= self._limit:
            left_s = max(left_s, FILL_S)
        if at_hand >= self._limit or left_s <= 0:
            await asyncio.sleep(0)  # the loop is let go all the same
            return
        self._filled.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._filled.wait()

    async def _step(self, began_s: float) -> None:
        wall_ms = int(time.time() * 1000)
        unread = self._look()
        waive = self._waives(began_s)
        if self.runner.merge.at_hand() == 0 and not self._due(began_s):
            return
        now_ms = self._time_ms(wall_ms, unread)
        at_hand = self.runner.merge.at_hand()
        done = await self.runner.step(
            now_ms, wall=wall_ms, limit=self._limit, budget=DUES, waive=waive, keep=self._ledger.behind
        )
        self.clock_ms = now_ms if now_ms is not None else self.clock_ms
        self._timely = self._is_timely()
        taken = self.runner.taken
        if taken > 0 or not (at_hand or any(unread.values())):
            self.applied += 1
        if done:
            seconds = time.monotonic() - began_s
            self._counts.steps.took(seconds, int(time.time() * 1000))
            self._measure(taken, seconds)

    def _due(self, now_s: float) -> bool:
        if now_s - self._ticked_s < TICK_S:
            return False
        self._ticked_s = now_s
        return True

    def _measure(self, taken: int, seconds: float) -> None:
        """Learn how fast it goes, for the size of the next step and of what is kept at hand."""
        if taken >= LEARNT_RECORDS:
            self._rate += 0.2 * (taken / seconds - self._rate)
        worked_s = self.runner.worked_s
        if worked_s > STEP_S:
            self._limit = max(100, int(self._limit * STEP_S / worked_s))
        elif taken >= self._limit:
            grown = self._limit * min(2.0, AIM * STEP_S / worked_s)
            self._limit = min(MOST_RECORDS, max(self._limit, int(grown)))

    # ---- what is unread, and what time it is ----------------------------------------------------------------

    def _look(self) -> dict[str, bool]:
        """By topic, whether it has records that are not at hand; the merge is told."""
        unread = {}
        for topic, place in self._places.items():
            look = self._source.looks.get(place)
            unread[topic] = look is None or look.lag > 0 or look.handed > self.runner.next_position(topic)
            if look is not None:
                self._check_end(topic, look)
                if not unread[topic]:
                    self.runner.skip_to(topic, look.position)
            self.runner.merge.expect(topic, unread[topic])
        return unread

    def _check_end(self, topic: str, look: Look) -> None:
        """Notice a log that lost its end: the client begins anew then, and what is written next is taken for known.

        A new leader may know for a moment less of the end than we do; the client stays where it is then. And what
        was asked before our positions were those of another owner is no answer: it has to be told twice.
        """
        needed = self.runner.next_position(topic)
        if not look.position <= look.stable_end < needed:
            self._cut.pop(topic, None)
            return
        known, since_ms = self._cut.setdefault(topic, (needed, look.answered_ms))
        if known != needed:
            del self._cut[topic]
        elif look.answered_ms - since_ms >= GAP_S * 1000:
            raise LostError(
                f"{topic} partition {self.number} ends at {look.stable_end} now, and {needed} is needed next: records "
                "are gone that were read; stop all workers, then make the rows anew from the sources: csstream rebuild"
            )

    def _waives(self, now_s: float) -> bool:
        """Whether the topics that make the others wait have done so for long enough."""
        starved = frozenset(self.runner.merge.starved())
        if not starved or not self.runner.merge.at_hand():
            self._starved_s, self._waiving = None, frozenset()
            return False
        if self._starved_s is None:
            self._starved_s = now_s
        if now_s - self._starved_s < self._max_wait_s:
            return False
        self._counts.waived.update(
            starved - self._waiving
        )  # a wait is given up once, for as long as it lasts
        self._waiving = starved
        return True

    def _time_ms(self, wall_ms: int, unread: Mapping[str, bool]) -> int | None:
        """The time of the partition (DESIGN decision 5); None while nothing is known."""
        earliest = wall_ms
        for topic, place in self._places.items():
            instant = self.runner.next_time_ms(topic)
            if instant is not None or unread[topic]:
                instant = self.runner.merge.newest_ms(topic) if instant is None else instant
                if not self._timely:
                    return None
            else:
                look = self._source.looks.get(place)
                instant = None if look is None else look.answered_ms
            if instant is None or instant < 0:
                return None
            earliest = min(earliest, instant)
        return earliest - self._delay_ms

    def _is_timely(self) -> bool:
        """Whether the last record taken came when its event happened; as before where it is no event."""
        last = self.runner.last
        event = None if last is None else decode(last.value)
        if last is None or event is None or isinstance(event, Reject):
            return self._timely
        return abs(last.time_ms - event.ts_ms) <= TIMELY_MS

    def _heard(self, step: Step) -> None:
        """A step was committed: how late are its alerts, where nothing unread explains it?"""
        if any(self.lag().values()) or self.runner.merge.at_hand():
            return
        now_ms = time.time() * 1000
        for alert in step.alerts:
            if alert.state == "firing":
                observe(self._counts.alert_delays, ALERT_DELAY_S, max(0.0, now_ms - alert.ts) / 1000)

    def lag(self) -> dict[str, int]:
        """By topic, the records that are not applied yet."""
        lags = {}
        for topic, place in self._places.items():
            look: Look | None = self._source.looks.get(place)
            if look is not None:
                lags[topic] = look.lag + self.runner.merge.at_hand(topic)
        return lags

    def answered_ms(self) -> int | None:
        """When the broker answered last for the topic that it answered least of; None before all have answers."""
        looks = [self._source.looks.get(place) for place in self._places.values()]
        return None if None in looks else min(look.answered_ms for look in looks if look is not None)
