"""A real process, killed again and again while its sink does everything that sinks do."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from csstream.core.alert import encode
from csstream.notify.message import short_id
from tests.canary import MARK
from tests.notify.days import T, alert, ended, level
from tests.notify.service import Request, Service

ROOT = Path(__file__).parent.parent.parent
FAULTS = ["500", "errcode", "429", "half", "time_out", "hang_up", "502", "garbage", "302", "slow"]

CONFIG = """
[sinks.ops]
kind = "dingtalk"
url_file = "url"
secret_file = "secret"
allow_private = true
timeout = "1s"
per_minute = 100000

[[routes]]
sinks = ["ops"]
"""


def folder_of(path: Path, port: int) -> Path:
    """A folder with a configuration whose secrets are canaries."""
    (path / "notify.toml").write_text(CONFIG, "utf-8")
    (path / "url").write_text(f"http://127.0.0.1:{port}/robot/{MARK}?access_token={MARK}", "utf-8")
    (path / "secret").write_text(MARK, "utf-8")
    (path / "alerts.jsonl").touch()
    return path


class Notifier:
    """The process; `said` is all that it ever said."""

    def __init__(self, *command: str) -> None:
        self.command = command
        self.said = b""
        self.deaths = 0

    async def start(self) -> None:
        """Start it, and wait until it is up."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *self.command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=os.environ | {"PYTHONUTF8": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.reading = asyncio.create_task(self._read(self.process.stdout))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while some := await stream.read(65_536):
            self.said += some

    async def end(self, number: int = signal.SIGKILL) -> int:
        """End it by a signal; its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            self.deaths += number == signal.SIGKILL
        status = await asyncio.wait_for(self.process.wait(), 20)
        await self.reading
        return status


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Notifier]:
    """The process, gone at the end whatever happens."""
    notifier = Notifier(*command)
    try:
        yield notifier
    finally:
        if hasattr(notifier, "process"):
            await notifier.end()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition, with a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        await asyncio.sleep(0.02)


def texts(requests: list[Request]) -> list[str]:
    """What DingTalk was told."""
    return [request.json["markdown"]["text"] for request in requests]


def id_of(text: str) -> str:
    """The id in a message."""
    return text.rpartition("编号 ")[2].split()[0]


async def test_no_alert_is_lost_when_the_notifier_is_killed_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(2)
    script = [name for fault in rng.sample(FAULTS, len(FAULTS)) for name in (fault, "ok")]
    async with Service() as first:
        port = first.port  # and then nobody listens there for a while
    folder = folder_of(tmp_path, port)
    began = (time.time_ns() // 1_000_000 - T) / 1000
    wanted = [alert(f"overload|s|a{n}|1", began + n / 10) for n in range(25)]
    command = (
        "tests.notify.dying",
        *(str(folder / name) for name in ("notify.toml", "marks.db", "alerts.jsonl")),
    )
    async with running(*command) as notifier:
        await notifier.start()
        with (folder / "alerts.jsonl").open("ab") as file:
            for one in wanted[:5]:
                file.write(encode(one) + b"\n")
        await until(lambda: b"no connection" in notifier.said)
        async with Service(script, at=port, slow_s=0.3) as service:
            with (folder / "alerts.jsonl").open("ab") as file:
                for one in wanted[5:]:
                    file.write(encode(one) + b"\n")
                    file.flush()
                    if rng.random() < 0.3:
                        await asyncio.sleep(rng.random() / 2)
                        await notifier.end()
                        await notifier.start()
            ids = {short_id(one.alert, "firing") for one in wanted}
            await until(lambda: {id_of(text) for text in texts(service.taken)} >= ids, 60)
            with (folder / "alerts.jsonl").open("ab") as file:
                for one in wanted:
                    file.write(encode(ended(one, began + 60)) + b"\n")
            ends = {short_id(one.alert, "ended") for one in wanted}
            await until(lambda: {id_of(text) for text in texts(service.taken)} >= ends, 30)
            seen = Counter(id_of(text) for text in texts(service.taken))
    assert set(seen) == ids | ends
    assert notifier.deaths >= 3
    assert sum(seen.values()) - len(seen) <= notifier.deaths
    again = [text for text in texts(service.taken) if seen[id_of(text)] > 1]
    assert sum("可能重复" in text for text in again) == sum(seen.values()) - len(seen)
    assert MARK.encode() not in notifier.said
    assert b"no connection" in notifier.said  # it did speak


async def test_a_kill_between_the_answer_and_the_mark_doubles_one_message_and_says_so(tmp_path: Path) -> None:
    async with Service(slow_s=0.5) as service:
        folder = folder_of(tmp_path, service.port)
        now = (time.time_ns() // 1_000_000 - T) / 1000
        (folder / "alerts.jsonl").write_bytes(encode(level("w", 30, now - 30)) + b"\n")
        names = ("notify.toml", "marks.db", "alerts.jsonl")
        async with running("tests.notify.dying", *(str(folder / name) for name in names)) as notifier:
            service.script = ["slow"]
            await notifier.start()
            await until(lambda: service.script == [])  # the request is there, the answer is not
            await notifier.end()
            await until(lambda: len(service.requests) == 1)
            await notifier.start()
            await until(lambda: len(service.requests) == 2)
            with (folder / "alerts.jsonl").open("ab") as file:
                file.write(encode(level("v", 30, now - 20)) + b"\n")
            await until(lambda: short_id("wait|v|30", "firing") in map(id_of, texts(service.taken)))
        first, second, _ = texts(service.taken)
        assert id_of(first) == id_of(second)
        assert ("可能重复" in first, "可能重复" in second) == (False, True)
