"""A shop live in one process: a runner over the SQLite ledger, fed from the inbox, and moved on by the wall clock.

Time comes only so far as everything that arrived before it has been taken (DESIGN 5): a reply that is at hand keeps
its timer from firing, however busy the process is, and an inbox that cannot be written stops the clock.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from csstream.core.engine import Engine, Step
from csstream.core.metrics import ALERT_DELAY_S, observe
from csstream.events import TOPICS
from csstream.exporter import Exporter, Reading, Snapshots, Steps
from csstream.ledgers import LedgerError
from csstream.ledgers.sqlite import SqliteLedger
from csstream.policy import Policy
from csstream.runner import Runner
from csstream.serve.inbox import Inbox

STEP_EVENTS = 1_000
"""Most events of one step: requests are answered between two steps, not within one."""

STEP_BYTES = 1 << 20
"""Most bytes of them, unless one event alone has more."""

TICK_S = 0.25
"""How often time passes at least where nothing arrives and nothing is due."""

TELL_S = 0.5
"""How often /metrics and the wall get what is new: a wall is to show it within a second."""

BEHIND_S = 10.0
"""How far behind the wall clock the figures may be before the process calls itself unready."""

SWEEP_S = 600.0

PARTITION = "0"
"""How metrics call the one partition there is."""

_log = logging.getLogger(__name__)


class Live:
    """One partition, kept in a file. `keep_s`: for how long what came in and went out can be read.

    `on_step` hears every committed step; `on_tell` is asked twice a second for what others have to show.
    """

    def __init__(
        self,
        policy: Policy,
        ledger: Path,
        inbox: Inbox,
        exporter: Exporter,
        version: str,
        *,
        keep_s: float,
        on_step: Callable[[Step], None],
        on_tell: Callable[[], Mapping[str, Sequence[Reading]]],
    ) -> None:
        self._ledger = SqliteLedger(ledger)
        self._runner = Runner(policy, self._ledger, tuple(TOPICS), on_step=self._hear)
        self._inbox = inbox
        self._exporter = exporter
        self._steps = Steps()
        self._snapshots = Snapshots(version, policy.tag)
        self._keep_s = keep_s
        self._on_step = on_step
        self._on_tell = on_tell
        self._alert_delays = [0.0] * (len(ALERT_DELAY_S) + 2)
        self._tell_s = self._sweep_s = float("-inf")

    @property
    def engine(self) -> Engine:
        """The engine of the last committed step."""
        return self._runner.engine

    async def open(self) -> None:
        """Load what is kept. Raises LedgerError, InboxError."""
        await self._runner.open()
        await self._inbox.open(self._runner.positions)

    async def run(self, stopped: asyncio.Event) -> None:
        """Count what arrives, until `stopped`. Raises LedgerError, FencedError."""
        while not stopped.is_set():
            busy = await self._step()
            await self._tell()
            if not busy:
                await self._wait()

    async def finish(self) -> None:
        """Count what is durable, once nothing arrives any more."""
        while await self._step():
            pass

    async def close(self) -> None:
        """Leave the files in order."""
        await self._runner.close()

    async def _step(self) -> bool:
        """One step; whether there may be more to do at once."""
        runner, inbox = self._runner, self._inbox
        began_s = time.perf_counter()
        records = inbox.take(STEP_EVENTS, STEP_BYTES)
        for topic in TOPICS:
            runner.feed(topic, [record for record in records if record.topic == topic])
        done = await runner.step(inbox.complete_ms(), wall=int(time.time() * 1000))
        if done:
            self._steps.took(time.perf_counter() - began_s, int(time.time() * 1000))
            inbox.counted(runner.positions)
        return bool(records) or inbox.arrived.is_set()

    async def _wait(self) -> None:
        """Until something arrives or is due, or a tick has passed."""
        due_s = (self.engine.next_due() + 1) / 1000 - time.time()
        # A due that has passed is one of a shop that the wall clock no longer moves (SPEC 3, `live.within`).
        try:
            async with asyncio.timeout(due_s if 0 < due_s < TICK_S else TICK_S):
                await self._inbox.arrived.wait()
        except TimeoutError:
            pass

    async def _tell(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._tell_s + TELL_S:
            runner = self._runner
            self._exporter.update(
                self._snapshots.take(
                    runner.engine.shops.values(),
                    runner.process,
                    failed=runner.failed,
                    rows=runner.rows,
                    steps=self._steps,
                    driver=self._readings(),
                )
            )
            self._exporter.unready = self._unready()
            self._tell_s = now_s
        if now_s >= self._sweep_s + SWEEP_S:
            await self._sweep(int((time.time() - self._keep_s) * 1000))
            self._sweep_s = now_s

    def _readings(self) -> dict[str, Sequence[Reading]]:
        lags = self._inbox.waiting().items()
        return {
            **self._on_tell(),
            "lag_records": [((topic, PARTITION), lag) for topic, lag in lags],
            "clock_timestamp_seconds": [((PARTITION,), self._inbox.complete_ms() / 1000)],
            "partitions": [(("ready",), 1)],
            "alert_delay_seconds": [((), tuple(self._alert_delays))],
        }

    def _hear(self, step: Step) -> None:
        """A step is committed: how late are its alerts, where nothing that waited explains it?"""
        if not self._inbox.arrived.is_set():
            now_ms = time.time() * 1000
            for alert in step.alerts:
                if alert.state == "firing":
                    observe(self._alert_delays, ALERT_DELAY_S, max(0.0, now_ms - alert.ts) / 1000)
        self._on_step(step)

    async def _sweep(self, before_ms: int) -> None:
        try:
            await self._ledger.sweep(before_ms)
            await self._inbox.sweep(before_ms)
        except (LedgerError, sqlite3.Error) as error:
            _log.warning("what is too old could not be cleared away: %s", error)

    def _unready(self) -> str | None:
        if self._inbox.fault is not None:
            return self._inbox.fault
        behind_s = time.time() - self._inbox.complete_ms() / 1000
        return f"{behind_s:.0f} s behind" if behind_s > BEHIND_S else None
