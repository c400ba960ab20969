"""The notifier: an outbox over a ledger, and a task for each message under way.

One loop owns the outbox, so nothing in it is ever half changed. Each turn hands it what came in (alerts, answers,
time), keeps the rows that changed, and only then sends: what is on its way is always known to whoever comes after a
crash. Turns are as many as the ledger allows; whatever comes in while one is kept goes into the next.

The Kafka process feeds it from `cs.alerts`, and `csstream serve` from its own store, in process:

    notifier = Notifier(config, ledger, policy)
    reads = await notifier.open()            # where each source goes on; nothing yet for a new one
    running = asyncio.create_task(notifier.run())
    await notifier.take("cs.alerts", Read(next_position), alerts)   # returns once that is kept
    await notifier.close()
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from csstream.core.alert import Alert
from csstream.core.engine import Step
from csstream.core.metrics import NOTIFICATION_S
from csstream.ledgers import Ledger
from csstream.notify.config import Config
from csstream.notify.marks import Read
from csstream.notify.message import Answer, Message
from csstream.notify.outbox import Outbox, Tally
from csstream.notify.sinks import Sink
from csstream.policy import Policy

CLOSE_S = 3.0
"""How long messages under way may take at the end; what has no answer then is sent again at the next start."""

RESULTS = ("sent", "failed", "settled", "inhibited", "stale", "digested")

log = logging.getLogger(__name__)

Reading = tuple[tuple[str, ...], float | tuple[float, ...]]


def wall_clock_ms() -> int:
    """The time of this machine, in epoch ms."""
    return time.time_ns() // 1_000_000


class Notifier:
    """Tells people. `settle_ms` and `stale_after_ms` are the policy's; `sinks` replaces those of the configuration."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        policy: Policy,
        *,
        sinks: Mapping[str, Sink] | None = None,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.config = config
        self.tally = Tally()
        self._ledger = ledger
        self._policy = policy
        self._sinks = (
            {name: sink.make() for name, sink in config.sinks.items()} if sinks is None else dict(sinks)
        )
        self._clock = clock
        self._outbox: Outbox | None = None
        self._wake = asyncio.Event()
        self._taken: list[asyncio.Future[None]] = []
        self._answers: list[tuple[str, Answer]] = []
        self._under_way: dict[asyncio.Task[Answer], str] = {}
        self._closing = False
        self._running: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._stopped.set()

    @property
    def outbox(self) -> Outbox:
        """What is to be sent."""
        assert self._outbox is not None, "the notifier is not open"
        return self._outbox

    async def open(self) -> Mapping[str, Read]:
        """Load what an earlier notifier left; where each source of alerts goes on. Raises LedgerError."""
        rows, _ = await self._ledger.open()
        self._outbox = Outbox(
            self.config.targets,
            settle_ms=self._policy.notify_settle_ms,
            stale_after_ms=self._policy.stale_after_ms,
            rows=rows,
            tally=self.tally,
        )
        return dict(self._outbox.reads)

    async def take(self, source: str, read: Read, alerts: Sequence[Alert]) -> None:
        """Take in alerts of one source, in its order, up to the position `read`; returns once that is kept.

        Where `run` has ended it never does: whoever started both ends this one.
        """
        self.outbox.take(source, read, alerts, self._clock())
        kept = asyncio.get_running_loop().create_future()
        self._taken.append(kept)
        self._wake.set()
        await kept

    async def run(self) -> None:
        """Send, until `close`. Raises `FencedError` or `LedgerError`; after that only a new notifier helps."""
        self._stopped.clear()
        self._running = asyncio.current_task()
        try:
            while not self._closing:
                await self._turn()
                await self._sleep()
            await self._finish()
        finally:
            for task in self._under_way:
                task.cancel()
            self._stopped.set()

    async def _turn(self) -> None:
        outbox, taken = self.outbox, self._taken
        self._wake.clear()
        self._taken = []
        self._hear()
        if not self._closing:
            outbox.advance(self._clock())
        await self._keep()
        for kept in taken:
            if not kept.done():
                kept.set_result(None)
        for sink, message in outbox.to_send():
            task = asyncio.create_task(self._send(sink, message))
            self._under_way[task] = sink
            task.add_done_callback(self._done)

    async def _keep(self) -> None:
        rows = self.outbox.take_rows()
        if rows:
            await self._ledger.commit(Step(rows=rows), {})

    def _hear(self) -> None:
        now = self._clock()
        answers, self._answers = self._answers, []
        for sink, answer in answers:
            self.outbox.answered(sink, answer, now)

    async def _sleep(self) -> None:
        wait_s = (self.outbox.next_ms() - self._clock()) / 1000
        try:
            async with asyncio.timeout(min(1.0, max(0.001, wait_s))):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _send(self, sink: str, message: Message) -> Answer:
        try:
            answer = await self._sinks[sink].send(message)
        except Exception as error:  # noqa: BLE001 - a fault in one sink must not stop the others
            answer = Answer(False, f"a fault of the program ({type(error).__name__})", maybe=True)
        if answer.ok:
            log.debug("sink %s: %s %s", sink, message.id, answer.said)
        else:
            log.warning("sink %s: message %s is not sent: %s", sink, message.id, answer.said)
        return answer

    def _done(self, task: asyncio.Task[Answer]) -> None:
        sink = self._under_way.pop(task)
        if not task.cancelled():
            self._answers.append((sink, task.result()))
            self._wake.set()

    async def _finish(self) -> None:
        """Wait a little for what is under way, and keep what became of it."""
        if self._under_way:
            await asyncio.wait(tuple(self._under_way), timeout=CLOSE_S)
            await asyncio.sleep(0)  # for the callbacks of those that are done
        self._hear()
        await self._keep()

    async def close(self) -> None:
        """End `run`, then leave the ledger and the sinks in order. A ledger that is away is not waited for."""
        self._closing = True
        self._wake.set()
        try:
            async with asyncio.timeout(2 * CLOSE_S):
                await self._stopped.wait()
        except TimeoutError:
            if self._running is not None:
                self._running.cancel()
            await self._stopped.wait()
        await self._ledger.close()
        for sink in self._sinks.values():
            await sink.close()

    def readings(self) -> dict[str, list[Reading]]:
        """The metrics of the notifier (SPEC 9), by name; every sink has each, also before anything happened."""
        names = tuple(self.config.sinks)
        empty = [0.0] * (len(NOTIFICATION_S) + 2)
        oldest = {} if self._outbox is None else dict(self._outbox.oldest_ms(self._clock()))
        return {
            "notifications_total": [
                ((name, result), self.tally.results[name, result]) for name in names for result in RESULTS
            ],
            "notification_delay_seconds": [
                ((name,), tuple(self.tally.delays.get(name, empty))) for name in names
            ],
            "notification_oldest_seconds": [((name,), oldest.get(name, 0) / 1000) for name in names],
        }
