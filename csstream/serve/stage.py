"""The engine of a demo: a runner over the memory ledger, fed from a tape up to an instant.

It knows no clock. Whoever plays says how far event time has come; a step never goes beyond the next event that
is not in it, so that no timer fires before an event that belongs before it (SPEC 3).
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from csstream.core.engine import Engine, Step
from csstream.events import TOPICS
from csstream.exporter import Snapshot, Snapshots, Steps
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.policy import Policy
from csstream.runner import STEP_RECORDS, Runner
from csstream.serve.tape import Tape
from csstream.serve.view import AlertLine, Feed, View, look

EXAMPLES = 5
"""Dead letters that are told one by one."""


class Stage:
    """One partition, in memory. `on_alerts` is told the alerts of each step while somebody watches, `on_step` every
    step that was committed."""

    def __init__(
        self,
        policy: Policy,
        tape: Tape,
        version: str,
        on_alerts: Callable[[Sequence[AlertLine]], None] = lambda _: None,
        on_step: Callable[[Step], None] = lambda _: None,
    ) -> None:
        self.watched = False
        self.now_ms = 0
        self.events = 0
        self.feed = Feed()
        self.dead: Counter[str] = Counter()
        self.examples: list[str] = []
        self._days: dict[str, str] = {}
        self.several_days = False
        self._tape = tape
        self._on_alerts = on_alerts
        self._on_step = on_step
        self._store = Store(keep_published=False)
        self._runner = Runner(policy, MemoryLedger(self._store), tuple(TOPICS), on_step=self._hear)
        self._places: dict[tuple[str, int], str] = {}
        self._steps = Steps()
        self._snapshots = Snapshots(version, policy.tag)

    async def open(self) -> None:
        """Take the partition."""
        await self._runner.open()

    async def play(self, until_ms: int) -> bool:
        """One step: the events due up to `until_ms`, and the time. Whether all that is due by then is done.

        `now_ms` is then where event time has come to: `until_ms`, or the next event that is still to be read.
        """
        began_s = time.perf_counter()
        played = self._tape.take(STEP_RECORDS, until_ms)
        for topic, records in played.records.items():
            self._runner.feed(topic, records)
        self._places |= played.places
        self.events += played.number
        if self._tape.ended:
            newest = max(self._runner.process.newest_ms.values(), default=0)
            now = min(until_ms, max(newest, played.newest_ms))
        elif self._tape.ready:
            upcoming = self._tape.next_ms()
            now = until_ms if upcoming is None else min(until_ms, upcoming)
        else:
            now = max(self.now_ms, played.newest_ms)
        if await self._runner.step(now):
            self._steps.took(time.perf_counter() - began_s, int(time.time() * 1000))
        self._places.clear()
        for name, shop in self._runner.engine.shops.items():
            self.several_days |= self._days.setdefault(name, shop.row.day) != shop.row.day
        self.now_ms = max(self.now_ms, now)
        return now >= until_ms or self._tape.ended or not self._tape.ready

    @property
    def engine(self) -> Engine:
        """The engine of the last committed step."""
        return self._runner.engine

    def _hear(self, step: Step) -> None:
        self._on_step(step)
        lines = self.feed.hear(step.alerts, new=self.watched)
        for letter in step.dead_letters:
            self.dead[letter.reason] += 1
            if len(self.examples) < EXAMPLES:
                place = self._places.get((letter.record.topic, letter.record.offset), letter.record.topic)
                first = letter.error.splitlines()[0]
                self.examples.append(f"{place}: {letter.reason}: {first}")
        if self.watched and lines:
            self._on_alerts(lines)

    def watch(self) -> None:
        """From now on somebody watches."""
        self.feed.open_now()
        self.watched = True

    def view(self) -> View:
        """What the screen shows."""
        return look(self._runner.engine, self.now_ms, self.feed.lines)

    def snapshot(self) -> Snapshot:
        """What /metrics shows."""
        runner = self._runner
        return self._snapshots.take(
            runner.engine.shops.values(),
            runner.process,
            failed=runner.failed,
            rows=runner.rows,
            steps=self._steps,
        )
