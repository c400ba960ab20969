"""`csstream serve`: one shop's real use in one process, with nothing else to run.

Events come in by HTTP and from followed files, are durable before anything else happens to them, and go through the
same runner, core and rules as on Kafka. Killed at any instant, the process goes on where its files are.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from csstream import __version__
from csstream.exporter import Exporter
from csstream.policy import Policy
from csstream.serve.folder import Folder, owned
from csstream.serve.follow import follow
from csstream.serve.inbox import Inbox
from csstream.serve.live import Live
from csstream.serve.outlets import Outlets, described
from csstream.signals import stop_signals
from csstream.web import openapi
from csstream.web.bearer import Bearer, made_token
from csstream.web.health import Health
from csstream.web.ingest import Ingest
from csstream.web.server import DEFAULT_PORT, Requests, application, is_loopback, listening

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What to serve. `bearer` None: the token in the folder. `names`: further host names it may be asked under."""

    policy: Policy
    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    bearer: Bearer | None = None
    names: Sequence[str] = ()
    follow: Sequence[str] = ()
    keep_s: float = 30 * 86_400.0


async def serve(options: ServeOptions, told: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `told` gets the lines for whoever started it.

    Raises FolderError, TokenError, ListenError, InboxError, LedgerError, FollowError.
    """
    with owned(options.data) as folder:
        stopped = asyncio.Event()
        with stop_signals(stopped.set):
            await _Service(options, folder, told).run(stopped)


class _Service:
    def __init__(self, options: ServeOptions, folder: Folder, told: Callable[[str], None]) -> None:
        self.options = options
        self.told = told
        self.exporter = Exporter()
        self.requests = Requests()
        self.inbox = Inbox(folder.inbox)
        self.live = Live(
            options.policy,
            folder.ledger,
            self.inbox,
            self.exporter,
            __version__,
            self.requests,
            keep_s=options.keep_s,
        )
        self.bearer = options.bearer or made_token(folder.token)
        self.token_place = "" if options.bearer else f"; the token is in {folder.token}"
        self.app = application(self.requests, options.names)
        openapi.mount(self.app, described())
        Ingest(self.inbox, self.bearer).mount(self.app)
        Outlets(folder, self.bearer).mount(self.app)
        Health(self.exporter, None if is_loopback(options.host) else self.bearer).mount(self.app)

    async def run(self, stopped: asyncio.Event) -> None:
        options = self.options
        await self.live.open()
        self.exporter.unready = None
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(self.inbox.run())
                following = [tasks.create_task(follow(path, self.inbox)) for path in options.follow]
                async with listening(self.app, options.host, options.port) as address:
                    self.told(f"{address}/v1/events takes events{self.token_place}; Ctrl-C ends")
                    # A task that fails cancels this one, which is the group's own.
                    await self.live.run(stopped)
                await self.live.finish()
                for task in (keeping, *following):
                    task.cancel()
        except* Exception as errors:  # noqa: BLE001 - one of them says all there is to say
            raise errors.exceptions[0] from None
        finally:
            await self.inbox.close()
            await self.live.close()
