"""Answers scrapes: hands out pages, and where the work is too busy for that, does so in a process of its own.

A worker under a backlog computes without a pause, and in Python one thread computes at a time: each read and each write
of an answer waits for its turn, which together takes a hundred times as long as the answer. So a busy driver prints its
pages ahead and passes them on to a kiosk: a small process beside it, which inherits the listening socket. It ends with
whoever feeds it, and what it was fed too long ago it does not hand out: a frozen worker is to look frozen.

It also outlives a driver that is killed, and sees that at once: its pages end. So a driver can leave a will with it, a
program that does then what the driver cannot do any more. One that closes its kiosk has seen to that itself.

This file is also the program of that process; it stands on the standard library alone, and starts at once.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BEAT_S = 1.0
"""A kiosk is fed so often at least."""

HUNGRY_S = 10.0
"""What was fed longer ago is no answer any more."""

log = logging.getLogger(__name__)


class Page(NamedTuple):
    """What is handed out."""

    figures: bytes
    """For /metrics, until `until_s` (`time.monotonic`, which all processes of a machine share)."""
    own: bytes
    """For /metrics from then on: nothing that another process may show by then."""
    until_s: float
    unready: str | None
    """For /readyz: why not; None is ready."""
    dead: str | None
    """For /livez: why the process had better be started again; None is alive."""

    def answer(self, path: str) -> tuple[int, bytes]:
        """Status and body for a path."""
        if path == "/metrics":
            return 200, self.figures if time.monotonic() < self.until_s else self.own
        if path == "/livez":
            return 503 if self.dead else 200, f"{self.dead or 'alive'}\n".encode()
        if path == "/readyz":
            return 503 if self.unready else 200, f"{self.unready or 'ready'}\n".encode()
        return 404, b"here are /metrics, /livez and /readyz\n"


class Will(NamedTuple):
    """A program to be run once whoever feeds a kiosk is gone."""

    command: tuple[str, ...]
    told: str
    """Its standard input: nobody else can read a secret there."""


Answer = Callable[[str], tuple[int, bytes]]
"""Gives status and body for a path."""


class Front(ThreadingHTTPServer):
    """The server, over a socket that listens already."""

    daemon_threads = True
    block_on_close = False  # a scraper that hangs must not hold up our end

    def __init__(self, listening: socket.socket, answer: Answer) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that gives up before it has its answer is no fault of ours, and leaves no trace in the log."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Front
    timeout = 10
    protocol_version = "HTTP/1.1"
    server_version = "csstream"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        status, body = self.server.answer(path)
        self.send_response(status)
        form = CONTENT_TYPE if path == "/metrics" and status == 200 else "text/plain; charset=utf-8"
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Scrapes are not news."""


class Kiosk:
    """The process, and the thread that feeds it: with `page()`, called in that thread at `news` and every second.

    `will()` is what to do if this process is gone without having closed it; None: nothing.
    """

    def __init__(
        self,
        listening: socket.socket,
        page: Callable[[], Page],
        will: Callable[[], Will | None] = lambda: None,
    ) -> None:
        self.news = threading.Event()
        self._listening = listening
        self._page = page
        self._will = will
        self._stopped = threading.Event()
        self.process = self._open()
        self._thread = threading.Thread(target=self._feed, name="kiosk", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close it; its will is void."""
        self._stopped.set()
        self.news.set()
        self._thread.join(2)
        self._close()
        self._listening.close()

    def _open(self) -> "subprocess.Popen[bytes]":
        number = self._listening.fileno()
        # A session of its own: Ctrl-C is for the driver, who then closes the kiosk.
        return subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(number,),
            start_new_session=True,
        )

    def _close(self) -> None:
        self.process.kill()  # before its pages end, or it would take us for dead
        self.process.wait()
        assert self.process.stdin is not None
        with suppress(OSError):  # what it was not given any more
            self.process.stdin.close()

    def _feed(self) -> None:
        last, failing = None, False
        while not self._stopped.is_set():
            self.news.clear()
            try:
                page = self._page()
                try:
                    self._send(page, anew=last is None or page.figures is not last.figures)
                    last = page
                except (OSError, ValueError):  # somebody has ended it: another one, then
                    last = None
                    if not self._stopped.wait(BEAT_S):
                        self._close()
                        self.process = self._open()
                failing = False
            except Exception:  # this thread is the only one that feeds it
                if not failing:
                    log.exception("no figures can be handed out; this is tried again every second")
                failing = True
            self.news.wait(BEAT_S)

    def _send(self, page: Page, *, anew: bool) -> None:
        bodies = (page.figures, page.own) if anew else ()
        head = {
            "sizes": [len(body) for body in bodies],
            "until_s": page.until_s,
            "unready": page.unready,
            "dead": page.dead,
            "will": self._will(),
        }
        assert self.process.stdin is not None
        for part in (json.dumps(head).encode() + b"\n", *bodies):
            self.process.stdin.write(part)
        self.process.stdin.flush()


class Rack:
    """In the process: the page to hand out, and when it came."""

    def __init__(self) -> None:
        self.page = Page(b"", b"", float("inf"), "starting", None)
        self.fed_s = time.monotonic()
        self.will: Will | None = None

    def fill(self) -> None:
        """Take pages in until nobody gives any."""
        came = sys.stdin.buffer
        while (head := came.readline()).endswith(b"\n"):  # whoever is killed may leave half a line
            told = json.loads(head)
            figures, own = [came.read(size) for size in told["sizes"]] or self.page[:2]
            self.page = Page(figures, own, told["until_s"], told["unready"], told["dead"])
            self.fed_s = time.monotonic()
            self.will = told["will"] and Will(*told["will"])

    def answer(self, path: str) -> tuple[int, bytes]:
        """As its page does; 503 where that is old."""
        silent_s = time.monotonic() - self.fed_s
        if silent_s > HUNGRY_S:
            return 503, f"the process behind this has said nothing for {silent_s:.0f} s\n".encode()
        return self.page.answer(path)


def _orphaned(driver: int) -> bool:
    """Whether the driver has ended: its pages end a moment before we cease to be its child."""
    for _ in range(100):
        if os.getppid() != driver:
            return True
        time.sleep(0.01)
    return False


def _execute(will: Will) -> None:
    """Start its program, which outlives us."""
    process = subprocess.Popen(  # noqa: S603 - what the driver named
        will.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    with process.stdin as told:
        told.write(will.told.encode())


def main() -> None:
    """The process: serve the socket of the number given, until the other end of standard input is gone."""
    driver = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # figures are wanted for as long as the driver takes to end
    rack = Rack()
    front = Front(socket.socket(fileno=int(sys.argv[1])), rack.answer)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    rack.fill()
    if rack.will is not None and _orphaned(driver):
        _execute(rack.will)
    os._exit(0)


if __name__ == "__main__":
    main()
