"""`csstream serve`: one shop's real use in one process, with nothing else to run.

Events come in by HTTP and from followed files, are durable before anything else happens to them, and go through the
same runner, core and rules as on Kafka. Killed at any instant, the process goes on where its files are.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csstream import __version__
from csstream.core.engine import Step
from csstream.exporter import Exporter, Reading
from csstream.notify.config import Config
from csstream.policy import Policy
from csstream.serve.display import Display
from csstream.serve.folder import Folder, owned
from csstream.serve.follow import follow
from csstream.serve.inbox import Inbox
from csstream.serve.live import Live
from csstream.serve.notices import Notices
from csstream.serve.outlets import Outlets, described
from csstream.signals import stop_signals
from csstream.web import openapi
from csstream.web.bearer import Bearer, made_token
from csstream.web.health import Health
from csstream.web.ingest import Ingest
from csstream.web.server import DEFAULT_PORT, Requests, application, is_loopback, listening


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What to serve. `bearer` None: the token in the folder. `names`: further host names it may be asked under.

    `alerts`: who is told of them; None tells nobody.
    """

    policy: Policy
    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    bearer: Bearer | None = None
    names: Sequence[str] = ()
    follow: Sequence[str] = ()
    keep_s: float = 30 * 86_400.0
    alerts: Config | None = None


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
        self.folder = folder
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
            keep_s=options.keep_s,
            on_step=self._hear,
            on_tell=self._tell,
        )
        self.notices = (
            None
            if options.alerts is None
            else Notices(options.alerts, options.policy, folder.ledger, folder.marks)
        )
        bearer = options.bearer or made_token(folder.token)
        self.app = application(self.requests, options.names)
        openapi.mount(self.app, described())
        Ingest(self.inbox, bearer).mount(self.app)
        Outlets(folder, bearer).mount(self.app)
        Health(self.exporter, None if is_loopback(options.host) else bearer).mount(self.app)
        self.display = Display(self.inbox.complete_ms, bearer)
        self.viewers = self.display.mount(self.app)

    async def run(self, stopped: asyncio.Event) -> None:
        options = self.options
        await self.live.open()
        await asyncio.to_thread(self.display.recall, self.folder.ledger)
        self.exporter.unready = None
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(follow(path, self.inbox)) for path in options.follow]
                beside.append(tasks.create_task(self.inbox.run()))
                if self.notices is not None:
                    beside.append(tasks.create_task(self.notices.run()))
                async with listening(self.app, options.host, options.port) as address:
                    self._tell_where(address)
                    # A task that fails cancels this one, which is the group's own.
                    await self.live.run(stopped)
                await self.live.finish()
                for task in beside:
                    task.cancel()
        except* Exception as errors:  # noqa: BLE001 - one of them says all there is to say
            raise errors.exceptions[0] from None
        finally:
            await self.inbox.close()
            await self.live.close()

    def _tell_where(self, address: str) -> None:
        folder = self.folder
        self.display.write_link(folder.wall_link, address)
        token = "" if self.options.bearer else f"; the token is in {folder.token}"
        self.told(f"{address}/v1/events takes events{token}")
        self.told(f"the link of the wall is in {folder.wall_link}; Ctrl-C ends")

    def _hear(self, step: Step) -> None:
        self.display.hear(step)
        if self.notices is not None:
            self.notices.hear(step)

    def _tell(self) -> Mapping[str, Sequence[Reading]]:
        self.display.show(self.live.engine)
        return {
            "http_requests_total": list(self.requests.counts.items()),
            "wall_viewers": [((), self.viewers())],
            **({} if self.notices is None else self.notices.readings()),
        }
