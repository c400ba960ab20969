"""A wall clock that moves when somebody sleeps, and a terminal that remembers when it was written to."""

import asyncio
import io
import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console, RenderableType

from csstream.policy import load
from csstream.serve.demo import AGENTS, BEFORE_MS, CUSTOMERS_PER_HOUR, OPENS_MS, DemoOptions, DemoResult, demo
from csstream.serve.view import View
from csstream.simulate import Plan, events
from tests.laws.oracle import Audit
from tests.laws.views import read, told


class Wall:
    """Seconds since the beginning of a test; nothing really waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        """What the clock shows."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.now_s += max(seconds, 0.001)
        await asyncio.sleep(0)


class Paper(io.StringIO):
    """What was written, and at which second."""

    def __init__(self, wall: Wall) -> None:
        super().__init__()
        self.wall = wall
        self.written: list[tuple[float, str]] = []

    def write(self, text: str) -> int:
        """Note the second, and write."""
        self.written.append((self.wall.now_s, text))
        return super().write(text)


async def played(
    *, terminal: bool = False, width: int = 80, height: int = 24, **options: Any
) -> tuple[DemoResult, Paper]:
    """A whole demo, in no time."""
    wall = Wall()
    paper = Paper(wall)
    console = Console(file=paper, force_terminal=terminal, width=width, height=height, highlight=False)
    asked: dict[str, Any] = {"port": 0, "wall_port": 0, "language": "en", "plain": not terminal} | options
    result = await demo(DemoOptions(**asked), clock=wall.clock, sleep=wall.sleep, console=console)
    return result, paper


def simulated(seed: int, until_ms: int) -> list[Mapping[str, Any]]:
    """The events of the demo's shop up to an instant."""
    plan = Plan(
        seed=seed, start_ms=OPENS_MS - BEFORE_MS, agents=AGENTS, customers_per_hour=CUSTOMERS_PER_HOUR
    )
    found: list[Mapping[str, Any]] = []
    for event in events(plan):
        if event["ts"] > until_ms:
            return found
        found.append(event)
    raise AssertionError("the demo's shop never closes")


def written(path: Path, log: Iterable[Mapping[str, Any]]) -> str:
    """The log as a file."""
    path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in log))
    return str(path)


def assert_shows(view: View, audit: Audit) -> None:
    """The figures of a view are those of the batch core, field by field."""
    rows = {(shop, agent): row for (shop, day, agent), row in audit.agents.items() if day == view.day}
    rows |= {(shop, ""): row for (shop, day), row in audit.shops.items() if day == view.day}
    lines = {(line.shop, line.agent): line for line in (*view.agents, *view.totals)}
    assert {who for who, row in rows.items() if row["waits"]} == {
        who for who, line in lines.items() if line.waits
    }
    for who, line in lines.items():
        row = rows.get(who)
        if row is None:
            assert not line.waits
            assert not line.responses
            continue
        assert (line.waits, line.within_30, line.responses) == (
            row["waits"],
            row["within_30"],
            row["responses"],
        )
        assert (line.consulted, line.replied) == (row["consulted"], row["replied_any"])
        sample = row["responses_ms"]
        assert line.mean_s == (sum(sample) / (1000 * len(sample)) if sample else None)
        assert (line.p90_s is None) == (not sample)
        if line.p90_s is not None:
            assert line.p90_s == percentile(sample, Fraction(9, 10))
    waiting = sorted(
        wait["since"] for wait in audit.waits.values() if wait["until"] is None and wait["class"] == "normal"
    )
    assert [wait.since_ms for wait in view.waits] == waiting
    assert view.fired == len(audit.alerts)
    assert view.standing == sum(alert["state"] == "firing" for alert in audit.alerts)


def percentile(ordered_ms: list[int], share: Fraction) -> float:
    """Seconds, by linear interpolation, exact."""
    place = (len(ordered_ms) - 1) * share
    low, high = math.floor(place), math.ceil(place)
    return float((ordered_ms[low] + (ordered_ms[high] - ordered_ms[low]) * (place - low)) / 1000)


def batch(log: Iterable[Mapping[str, Any]], now_ms: int | None = None) -> Audit:
    """The batch core over a log, with the clocks at an instant (else at the newest event)."""
    decoded = read(log)
    clocks = None if now_ms is None else {event.shop: now_ms for event in decoded}
    return told(decoded, load("handbook"), clocks)


def plain_lines(renderable: RenderableType, width: int, height: int) -> list[str]:
    """What a terminal of that size shows, without colours."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)).split("\n")[:-1]
