"""`csstream notify` as a process: the follower, the notifier and /metrics, and what happens when one of them fails.

A broker that is away is waited for; a notifier that was replaced by another ends, for two would tell everything
twice. After any other failure of the ledger nobody knows what was kept, so all is opened again from what it holds.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from csstream import __version__
from csstream.exporter import Exporter, Snapshot
from csstream.ledgers import FencedError, LedgerError
from csstream.ledgers.kafka import Connection, KafkaLedger, Outputs, RefusedError, UnreachableError
from csstream.notify.config import Config
from csstream.notify.follow import Follower, FollowError
from csstream.notify.notifier import Notifier
from csstream.policy import Policy

SHOW_S = 1.0
PAUSE_S, PAUSE_MOST_S = 1.0, 30.0

log = logging.getLogger(__name__)


class NotifyError(Exception):
    """The notifier cannot run; the text names the way out."""


@dataclass(frozen=True)
class Options:
    """What `csstream notify` was asked for. `prefix` is how the names of topics begin."""

    connection: Connection
    config: Config
    policy: Policy
    application: str = "csstream"
    prefix: str = "cs."
    host: str = "127.0.0.1"
    port: int = 9465

    @property
    def notified(self) -> str:
        """The topic of the marks."""
        return f"{self.prefix}notified"


async def notify(options: Options, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C. Raises `NotifyError`, and ExporterError where the port cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    exporter = Exporter()
    say(f"metrics on {exporter.start(options.host, options.port)}")
    stopped = asyncio.create_task(stop.wait())
    pause_s = PAUSE_S
    try:
        while not stop.is_set():
            began = time.monotonic()
            life = asyncio.create_task(_life(options, exporter, say))
            await asyncio.wait((life, stopped), return_when=asyncio.FIRST_COMPLETED)
            try:
                life.cancel()
                with suppress(asyncio.CancelledError):
                    await life
            except FencedError as error:
                raise NotifyError(
                    f"another notifier has taken over {options.notified}; one is enough, this one ends"
                ) from error
            except (RefusedError, FollowError) as error:
                raise NotifyError(str(error)) from error
            except (LedgerError, UnreachableError) as error:
                exporter.unready = "the broker cannot be reached"
                if time.monotonic() - began > PAUSE_MOST_S:
                    pause_s = PAUSE_S
                say(f"{error}; trying again in {pause_s:g} s")
                await asyncio.wait((stopped,), timeout=pause_s)
                pause_s = min(PAUSE_MOST_S, 2 * pause_s)
    finally:
        stopped.cancel()
        exporter.stop()


async def _life(options: Options, exporter: Exporter, say: Callable[[str], None]) -> None:
    """One life of the notifier, until something fails or it is cancelled; what is under way may still end."""
    ledger = KafkaLedger(
        options.connection,
        f"{options.application}-notify",
        0,
        (),
        Outputs(options.notified, None, None, None),
        policy=options.policy.tag,
        say=say,
    )
    notifier = Notifier(options.config, ledger, options.policy)
    tasks: list[asyncio.Task[None]] = []
    try:
        follower = Follower(options.connection, notifier, f"{options.prefix}alerts")
        reads = await notifier.open()
        tasks = [
            asyncio.create_task(notifier.run()),
            asyncio.create_task(follower.run(reads)),
            asyncio.create_task(_show(options, notifier, follower, exporter)),
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks[1:]:
            task.cancel()
        with suppress(LedgerError):
            await notifier.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _show(options: Options, notifier: Notifier, follower: Follower, exporter: Exporter) -> None:
    """Once a second, what /metrics and /readyz say."""
    build = {"build_info": [((__version__, options.policy.tag), 1.0)]}
    while True:
        exporter.update(Snapshot({**build, **notifier.readings()}, frozenset()))
        exporter.unready = follower.unready
        await asyncio.sleep(SHOW_S)
