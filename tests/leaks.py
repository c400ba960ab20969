"""Fails every test that lets a mark of `canary.py` out: the plugin that looks at all that is put out.

What is looked at: standard output and error of the test, and what csstream logs, at any level; the same of every process of
ours that a test starts, whether it writes to a pipe, to a file or to us; what commands inside the test answer, and pages
of ours that it asks for, `/metrics` among them. What shows chat text because that is what it is for stands in `SHOWS`
and `KEEPS`, by name.
"""

import contextlib
import logging
import os
import re
import stat
import subprocess
import threading
from collections.abc import Generator, Iterator, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import aiohttp
import click.testing
import pytest

from csstream.simulate import phrases
from tests.canary import LEAST, pattern, plant

SHOWS = {
    "simulate": "the events that it makes are its output",
    "import": "so are the events that it makes of a foreign log",
    "explain": "with --text it shows what was said, to whoever audits a wait",
}
"""Commands whose standard output is chat text."""

KEEPS = {
    "/v1/events": "what came in is kept as it came, to be replayed elsewhere",
    "/v1/dead-letters": "a record that is set aside is kept whole, to be mended and sent again",
}
"""Pages that show chat text to who has the token."""

AROUND = 80
"""So much of what stands around a mark is told, and kept of a stream for a mark that comes in two pieces."""

OUT = "this got out, and may not (tests/canary.py):"


class Watch:
    """What has got out since it was last asked for."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._files: list[tuple[int, Said]] = []

    def look(self, said: bytes | str, where: str) -> None:
        """Look for marks; what stands around one is kept, and the mark is not."""
        data = said.encode("utf-8", "replace") if isinstance(said, str) else said
        marks = pattern()
        if found := marks.search(data):
            around = data[max(0, found.start() - AROUND) : found.end() + AROUND]
            told = where.encode() + b": ..." + around + b"..."
            self._found.append(marks.sub(b"<mark>", told).decode("utf-8", "replace"))

    def follow(self, path: Path | str, where: str) -> None:
        """Look at what is written to a file from now on, whoever removes it meanwhile."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # as long as the tests run
        os.lseek(file, 0, os.SEEK_END)
        self._files.append((file, Said(where)))

    def take(self) -> list[str]:
        """What was found since the last call."""
        for file, said in self._files:
            while more := os.read(file, 1 << 20):
                said.add(more)
        found, self._found = self._found, []
        return [*dict.fromkeys(found)]


WATCH = Watch()


class Said:
    """A stream, looked at piece by piece."""

    def __init__(self, where: str) -> None:
        self._where, self._rest = where, b""

    def add(self, more: bytes) -> None:
        """The next piece."""
        WATCH.look(self._rest + more, self._where)
        self._rest = (self._rest + more)[-AROUND:]


class Log(logging.Handler):
    """Looks at whatever is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record, with its trace if it has one."""
        WATCH.look(self.format(record), f"log of {record.name}")


# ---- processes -------------------------------------------------------------------------------------------


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """A process; if it is one of ours its output is looked at on its way. Of others' programs we promise nothing."""

    def __init__(self, args: Any, *more: Any, **named: Any) -> None:
        words = [os.fsdecode(word) for word in ([args] if isinstance(args, str | bytes | Path) else args)]
        where = f"output of {' '.join(words[:6])}"
        shows = re.search(rf"csstream[ .]({'|'.join(SHOWS)})\b", " ".join(words))
        watched = () if not _ours(words) else ("stderr",) if shows else ("stdout", "stderr")
        for name in watched:
            target = named.get(name)
            number = target if isinstance(target, int) else target.fileno() if target is not None else -1
            if number >= 0 and stat.S_ISREG(os.fstat(number).st_mode):
                WATCH.follow(f"/proc/self/fd/{number}", where)
        super().__init__(args, *more, **named)
        for name in watched:
            if (stream := getattr(self, name)) is not None:
                _pass_through(stream.fileno(), Said(where))


def _ours(words: Sequence[str]) -> bool:
    program = Path(words[0]).name
    return program.startswith(("python", "sh", "csstream")) and any(
        "csstream" in word or word.startswith("tests.") for word in words
    )


def _pass_through(number: int, said: Said) -> None:
    """Put us between a pipe and its reader, who keeps his end and its number."""
    source = os.dup(number)
    end, sink = os.pipe()
    os.dup2(end, number, inheritable=False)
    os.close(end)

    def run() -> None:
        with contextlib.suppress(OSError):  # nobody reads any more, and the writer is to hear of it
            while more := os.read(source, 1 << 16):
                said.add(more)
                while more:
                    more = more[os.write(sink, more) :]
        os.close(source)
        os.close(sink)

    threading.Thread(target=run, daemon=True, name="leaks").start()


# ---- chat text -------------------------------------------------------------------------------------------


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | tuple):
        for each in found.values() if isinstance(found, dict) else found:
            yield from _texts(each)


for _text in _texts({name: said for name, said in vars(phrases).items() if name.isupper()}):
    if len(_text) >= LEAST:  # all that customers and agents of the simulator say
        plant(_text)


# ---- the plugin ------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Look from now on."""
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr(subprocess, "Popen", Popen)
    read, body = HTTPResponse.read, aiohttp.ClientResponse.read
    invoke, captured = click.testing.CliRunner.invoke, pytest.CaptureFixture.readouterr

    def page(url: object, data: bytes) -> bytes:
        if not any(kept in str(url) for kept in KEEPS):
            WATCH.look(data, f"answer of {str(url).partition('?')[0]}")
        return data

    def read_and_look(self: HTTPResponse, amt: int | None = None) -> bytes:
        return page(getattr(self, "url", "a page"), read(self, amt))

    async def body_and_look(self: aiohttp.ClientResponse) -> bytes:
        return page(self.url, await body(self))

    def invoke_and_look(self: Any, cli: Any, args: Any = None, *more: Any, **named: Any) -> Any:
        result = invoke(self, cli, args, *more, **named)
        words = args.split() if isinstance(args, str) else [*(args or ())]
        WATCH.look(
            result.stderr if set(SHOWS) & set(words) else result.output, f"output of {' '.join(words[:4])}"
        )
        return result

    def captured_and_looked_at(self: Any) -> Any:
        result = captured(self)
        for said in result:
            WATCH.look(said, "output of the test")
        return result

    patch.setattr(HTTPResponse, "read", read_and_look)
    patch.setattr(aiohttp.ClientResponse, "read", body_and_look)
    patch.setattr(click.testing.CliRunner, "invoke", invoke_and_look)
    patch.setattr(pytest.CaptureFixture, "readouterr", captured_and_looked_at)
    log = Log()
    logging.getLogger().addHandler(log)
    config.add_cleanup(lambda: logging.getLogger().removeHandler(log))
    logging.getLogger("csstream").setLevel(logging.DEBUG)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: "pytest.CallInfo[None]",
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A phase of a test in which something got out has failed."""
    report = yield
    for title, said in report.sections:
        if title.endswith(call.when):
            WATCH.look(said, title)
    if found := WATCH.take():
        told = "\n".join((OUT, *found))
        if report.outcome == "failed":
            report.sections.append(("leaks", told))
        else:
            report.outcome, report.longrepr = "failed", told
    return report
