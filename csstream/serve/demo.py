"""`csstream demo`: the main job at work, in one process and with nothing else needed.

The wall is a page on this machine, and the terminal shows the same; both live from the same steps.
A simulated shop has been watched for twenty minutes when the screen comes up: what happened before goes through the core
at once, so that there are figures, and from then on everything happens when its time comes. A log is played in
the same way, only faster. In the end the last screen stays, with a summary below it.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from rich.console import Console
from rich.live import Live

from csstream import __version__
from csstream.core.board import Board
from csstream.core.engine import Step
from csstream.exporter import DEFAULT_PORT, Exporter, ExporterError
from csstream.policy import Policy, load
from csstream.serve.asked import keys, no_keys
from csstream.serve.pace import Clock, Pace, Sleep
from csstream.serve.reel import Lines, LogError, Logs
from csstream.serve.screen import Screen, Status
from csstream.serve.stage import Stage
from csstream.serve.story import alert_line, figures_line, summary
from csstream.serve.tape import AHEAD, Tape
from csstream.serve.view import AlertLine, View
from csstream.signals import stop_signals
from csstream.simulate import HOUR_MS, Plan, lines
from csstream.wall import Access, Moment, Picture, mount
from csstream.wall.app import DEFAULT_PORT as WALL_PORT
from csstream.web.server import ListenError, Requests, application, listening

OPENS_MS = 1_795_264_200_000
"""Simulated shops are joined at 2026-11-21 20:30 in Shanghai, when the evening is at its busiest."""

BEFORE_MS = HOUR_MS // 3
"""For how long the simulated shop has been counted by then."""

AGENTS = 14
CUSTOMERS_PER_HOUR = 235.0
"""Mean over the day; at half past eight this keeps fourteen agents busy, with waits but no collapse."""

LOG_SPEED = 60.0

TICK_S = 0.1
DRAW_S = 0.25
LINE_S = 5.0
"""Seconds between two lines of figures where there is no screen."""
METRICS_S = 1.0
BOARD_S = 0.5
"""Seconds between two looks at what changed for the wall."""
SKIP_S = 10.0
"""A stretch of a log without events that would last longer than this (wall clock) is skipped."""
SPEEDS = (0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)


class DemoError(Exception):
    """The demo cannot run as asked; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What to show. `speed`: simulated seconds a second, by default 1, and 60 for a log. `for_s`: wall seconds."""

    policy: Policy | None = None
    seed: int = 1
    speed: float | None = None
    for_s: float | None = None
    log: str | None = None
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    wall_port: int = WALL_PORT
    plain: bool = False
    language: str | None = None
    """`en` or `zh`; by default what the environment says. Without a terminal, or with `CI` set, it is always plain;
    `NO_COLOR` takes the colours off the screen, which can be read without them."""


@dataclass(frozen=True)
class DemoResult:
    """How it went. `ended`: `asked` (Ctrl-C, q), `time` or `log`. `dead`: dead letters by reason."""

    ended: str
    view: View
    events: int
    dead: dict[str, int]
    examples: tuple[str, ...]
    seconds: float


async def demo(
    options: DemoOptions,
    *,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
    console: Console | None = None,
) -> DemoResult:
    """Play until the time is up, the log is through, or somebody asks to stop. Raises DemoError."""
    if console is None:
        console = Console(highlight=False)
        if os.environ.get("CI"):
            options = replace(options, plain=True)
    try:
        return await _Show(options, clock, sleep, console).run()
    except (LogError, ExporterError, ListenError) as error:
        raise DemoError(str(error)) from None


class _Show:
    def __init__(self, options: DemoOptions, clock: Clock, sleep: Sleep, console: Console) -> None:
        policy = options.policy or load("handbook")
        self.options = options
        self.policy = policy
        self.console = console
        self.language = options.language or _language()
        self.screen = Screen(policy.timezone)
        if options.log is None:
            plan = Plan(
                seed=options.seed,
                start_ms=OPENS_MS - BEFORE_MS,
                agents=AGENTS,
                customers_per_hour=CUSTOMERS_PER_HOUR,
            )
            self.tape = Tape(Lines(lines(plan)))
        else:
            self.tape = Tape(Logs((options.log,)), AHEAD)
        self.stage = Stage(policy, self.tape, __version__, self._on_alerts, self._on_step)
        self.pace = Pace(OPENS_MS, options.speed or (1.0 if options.log is None else LOG_SPEED), clock, sleep)
        self.exporter = Exporter()
        self.board = Board()
        self.picture = Picture(self._moment)
        self.address = ""
        self.metrics_address = ""
        self.ended = ""
        self.stopped = False
        self.plain = options.plain or not console.is_terminal or console.is_dumb_terminal
        self.has_keys = False
        self._live: Live | None = None
        self._rates: deque[tuple[float, int]] = deque(maxlen=21)
        self._next_draw_s = self._next_metrics_s = self._next_board_s = 0.0

    # ---- the run ----------------------------------------------------------------------------------------

    async def run(self) -> DemoResult:
        options = self.options
        app = application(Requests())
        mount(app, self.picture, Access())
        self.metrics_address = self.exporter.start(options.host, options.port)
        try:
            async with listening(app, options.host, options.wall_port, option="--wall-port") as address:
                self.address = f"{address}/"
                with stop_signals(self._ask_to_stop):
                    await self.stage.open()
                    with self._shown(), self._keys() as self.has_keys:
                        await self._begin()
                        await self._loop()
        finally:
            self.exporter.stop()
        view = self.stage.view()
        result = DemoResult(
            ended=self.ended,
            view=view,
            events=self.stage.events,
            dead=dict(self.stage.dead),
            examples=tuple(self.stage.examples),
            seconds=self.pace.wall_s(),
        )
        if not self.plain:
            self.console.print(self.screen.draw(view, self._status(), *self._size(1)))
        self.console.print(
            summary(
                view,
                result.events,
                result.dead,
                result.examples,
                result.seconds,
                several_days=self.stage.several_days,
            ),
            soft_wrap=True,
        )
        return result

    async def _begin(self) -> None:
        """What lies before the first screen."""
        if self.options.log is None:
            done = False
            while not done and not self.stopped:
                done = await self.stage.play(OPENS_MS)
                await asyncio.sleep(0)
            self.pace.move_to(OPENS_MS)
        else:
            await self._read_ahead()
            first = self.tape.next_ms()
            self.pace.move_to(0 if first is None else first)
        self.stage.watch()
        self._show_board()
        self.exporter.update(self.stage.snapshot())
        self.exporter.unready = None

    async def _read_ahead(self) -> None:
        """Wait until the next event of the log is known."""
        while not self.tape.ready and not self._over():
            if self._live is not None:
                self._tell()
            # Here the wall clock is waited for in earnest: the reader is a thread.
            await asyncio.sleep(0 if self.tape.fill() else 0.02)

    async def _loop(self) -> None:
        while not self._over():
            began_s = self.pace.wall_s()
            await self._catch_up(began_s)
            self._tell()
            if self.tape.ended:
                self.ended = "log"
                break
            left_s = TICK_S - (self.pace.wall_s() - began_s)
            if self.options.for_s is not None:
                left_s = min(left_s, self.options.for_s - self.pace.wall_s())
            await self.pace.sleep(max(0.0, left_s))
        self.ended = self.ended or ("asked" if self.stopped else "time")
        self.exporter.update(self.stage.snapshot())

    async def _catch_up(self, began_s: float) -> None:
        """Bring event time to where it should be, for at most one tick; what is not done then is not owed."""
        target = self.pace.now_ms()
        upcoming = self.tape.next_ms()
        if self.options.log is not None and upcoming is not None:
            quiet_ms = SKIP_S * 1000 * self.pace.speed
            if upcoming - target > quiet_ms and not self.pace.paused:
                target = upcoming - int(1000 * self.pace.speed)
                self.pace.move_to(target)
        while not await self.stage.play(target):
            await asyncio.sleep(0)
            if self._over() or self.pace.wall_s() - began_s > TICK_S:
                break
        if self.stage.now_ms < target and not self.tape.ended:
            self.pace.move_to(self.stage.now_ms)

    def _over(self) -> bool:
        for_s = self.options.for_s
        return self.stopped or (for_s is not None and self.pace.wall_s() >= for_s)

    # ---- what is shown ----------------------------------------------------------------------------------

    def _moment(self) -> Moment:
        return Moment(self.pace.now_ms(), 0.0 if self.pace.paused or self.tape.ended else self.pace.speed)

    def _on_step(self, step: Step) -> None:
        self.picture.hear(step.alerts)

    def _show_board(self) -> None:
        self.picture.show(self.board.changes(self.stage.engine, self.stage.now_ms).items())

    def _tell(self) -> None:
        """Draw and export what is due; seldom enough that it costs a fifth of the time at most."""
        now_s = self.pace.wall_s()
        if now_s >= self._next_board_s:
            self._show_board()
            self._next_board_s = now_s + max(BOARD_S, 5 * (self.pace.wall_s() - now_s))
        if now_s >= self._next_metrics_s:
            self.exporter.update(self.stage.snapshot())
            self._next_metrics_s = now_s + max(METRICS_S, 5 * (self.pace.wall_s() - now_s))
        if now_s >= self._next_draw_s:
            self._rates.append((now_s, self.stage.events))
            view = self.stage.view()
            if self._live is None:
                self.console.print(
                    figures_line(view, self.screen.clock(view.now_ms), self.stage.events, self._rate()),
                    soft_wrap=True,
                )
            else:
                self._live.update(self.screen.draw(view, self._status(), *self._size()), refresh=True)
            every_s = DRAW_S if self._live else LINE_S
            self._next_draw_s = now_s + max(every_s, 5 * (self.pace.wall_s() - now_s))

    def _on_alerts(self, lines: Sequence[AlertLine]) -> None:
        if self._live is None and self.plain:
            for line in lines:
                self.console.print(
                    alert_line(line, self.screen.clock(line.at_ms), self.language), soft_wrap=True
                )

    def _status(self) -> Status:
        mode = "paused" if self.pace.paused else "" if self.tape.ready else "reading"
        behind_ms = 0 if self.tape.ended else self.pace.now_ms() - self.stage.now_ms
        return Status(
            speed=self.pace.speed,
            address=self.address,
            age_s=max(0, behind_ms) / 1000 / self.pace.speed,
            events=self.stage.events,
            rate=self._rate(),
            dead=sum(self.stage.dead.values()),
            policy=self.policy.tag,
            language=self.language,
            mode=mode,
            keys=self.has_keys,
        )

    def _rate(self) -> float:
        """Events a second of wall clock, over the last few seconds."""
        if len(self._rates) < 2:
            return 0.0
        (from_s, before), (to_s, after) = self._rates[0], self._rates[-1]
        return (after - before) / (to_s - from_s) if to_s > from_s else 0.0

    def _size(self, spare: int = 0) -> tuple[int, int]:
        return self.console.width, self.console.height - spare

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """The screen of its own that a terminal has for this; nothing where there is none."""
        if self.plain:
            self.console.print(
                f"the wall is on {self.address}\n/metrics is on {self.metrics_address}; Ctrl-C ends",
                soft_wrap=True,
            )
            yield
            return
        with Live(console=self.console, screen=True, auto_refresh=False) as live:
            self._live = live
            yield

    # ---- what is asked ----------------------------------------------------------------------------------

    def _keys(self) -> AbstractContextManager[bool]:
        typed = self._live is not None and self.options.log != "-"  # a log from standard input is no keyboard
        return keys(self._on_key) if typed else no_keys()

    def _ask_to_stop(self) -> None:
        self.stopped = True

    def _on_key(self, key: str) -> None:
        if key in "qQ\x03\x04":
            self._ask_to_stop()
        elif key == " ":
            self.pace.pause(not self.pace.paused)
        elif key in "+=":
            self.pace.change(next((s for s in SPEEDS if s > self.pace.speed), self.pace.speed))
        elif key in "-_":
            self.pace.change(next((s for s in reversed(SPEEDS) if s < self.pace.speed), self.pace.speed))
        elif key in "lL":
            self.language = "zh" if self.language == "en" else "en"
        self._next_draw_s = 0.0


def _language() -> str:
    """The language of the environment, as far as the alerts have it."""
    said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if said.startswith("zh") else "en"
