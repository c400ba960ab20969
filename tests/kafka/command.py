"""csstream commands as processes of their own: what is killed, frozen and read here is what a user starts.

A worker imports for longer than most tests wait for anything else. So the interpreter that has imported csstream is
there once a run (`multiprocessing`'s fork server), and a command is a fork of it that runs the command line from its
first word on. That `python -m csstream` starts from nothing is shown by the tests of what is deployed.
"""

import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import forkserver
from pathlib import Path

from tests.kafka.node import end_with_maker
from tests.leaks import WATCH

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "pytest",
        "csstream.cli",
        "csstream.kafka.worker",
        "csstream.kafka.rebuild",
        "csstream.wall.process",
        __name__,
    ]
)


def _run(words: list[str], told: str, hangs: bool) -> None:
    """The command line, in the new process; both outputs go to a file."""
    end_with_maker()
    # A fork server lives as long as anybody holds this end; for us it would outlive a killed test run.
    os.close(vars(forkserver)["_forkserver"]._forkserver_alive_fd)
    os.chdir(Path(__file__).parents[2])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    from csstream.cli import main

    if hangs:
        signal.signal(signal.SIGUSR1, lambda *_: threading.Event().wait())
    sys.argv = ["csstream", *words]
    main()


class Command:
    """A command that runs, or has run."""

    def __init__(self, words: list[str], told: Path, *, hangs: bool = False) -> None:
        """`told` is the file for what it says. One that `hangs` does so on SIGUSR1: its main thread waits for ever."""
        self.told = told
        told.write_bytes(b"")
        WATCH.follow(told, f"output of csstream {words[0]}")
        self._process = _SERVER.Process(target=_run, args=(words, str(told), hangs), daemon=True)
        self._process.start()

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int | None:
        """Its exit status once it has ended; None if it still runs after so long."""
        self._process.join(seconds)
        return self.status

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still lives."""
        if self.status is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join(20)

    def log(self) -> str:
        """What it said so far."""
        return self.told.read_text("utf-8", "replace")
