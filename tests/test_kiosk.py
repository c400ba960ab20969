"""Scrapes of a process that is busy, frozen or gone: what the kiosk beside it says then."""

import io
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from csstream import kiosk as kiosk_program
from csstream.exporter import Exporter, Snapshot
from csstream.kiosk import HUNGRY_S, Front, Kiosk, Page, Rack, Will
from tests.test_exporter import get

SHOPS = Snapshot(
    {"day_consulted": [(("lamp",), 7)], "events_total": [(("cs.chat", "applied"), 5)]}, frozenset()
)

SCRAPER = """
import sys, time, urllib.request
print("begun", flush=True)
worst, end = 0.0, time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    asked = time.monotonic()
    urllib.request.urlopen(sys.argv[1], timeout=9).read()
    worst = max(worst, time.monotonic() - asked)
print(worst)
"""

WORKER = """
import os, signal, sys, time
from csstream.exporter import Exporter
from csstream.kiosk import Will
write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
will = Will((sys.executable, "-c", write, sys.argv[1]), "last words")
signal.signal(signal.SIGUSR1, lambda *_: os._exit(70))  # as the watchdog does
print(Exporter().start(port=0, apart=True, will=lambda: will), flush=True)
while True: time.sleep(1)
"""


@pytest.fixture
def exporter() -> Iterator[tuple[Exporter, str]]:
    """An exporter with a kiosk, and its address."""
    found = Exporter()
    yield found, found.start(port=0, apart=True)
    found.stop()


def until(address: str, says: str, status: int = 200) -> str:
    """Ask until an answer has a text in it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = get(address)
        if found[0] == status and says in found[1]:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"{address} says {found}, and not {status} {says!r}")


def test_a_scrape_does_not_wait_for_work_that_lets_nobody_else_compute(
    exporter: tuple[Exporter, str],
) -> None:
    until(exporter[1], "process_cpu_seconds_total")
    command = [sys.executable, "-c", SCRAPER, exporter[1], "2.5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as scraper:
        assert scraper.stdout is not None
        assert scraper.stdout.readline() == "begun\n"
        began, numbers = time.perf_counter(), 10_000_000
        while (held := time.perf_counter() - began) < 1:  # one call in C, which no other thread interrupts
            began, numbers = time.perf_counter(), 2 * numbers
            sum(range(numbers))
        worst = float(scraper.stdout.read())
    assert worst < held / 2, f"a scrape took {worst:.2f} s beside {held:.2f} s of work"


def test_figures_and_health_come_through(exporter: tuple[Exporter, str]) -> None:
    told, address = exporter
    ready, live = (address.replace("/metrics", path) for path in ("/readyz", "/livez"))
    until(ready, "loading", 503)
    assert until(live, "alive") == "alive\n"
    told.update(SHOPS)
    text = until(address, 'csstream_day_consulted{shop="lamp"} 7\n')
    assert "process_cpu_seconds_total" in text
    told.unready, told.dead = None, "the event loop does not move on"
    until(ready, "ready")
    until(live, "the event loop does not move on", 503)
    assert get(address.replace("/metrics", "/"))[0] == 404


def test_a_shop_is_shown_no_longer_than_it_is_surely_ours(exporter: tuple[Exporter, str]) -> None:
    told, address = exporter
    told.update(SHOPS, time.monotonic() + 60)
    until(address, "lamp")
    told.update(SHOPS, time.monotonic() - 1)
    deadline = time.monotonic() + 20
    while "lamp" in (text := get(address)[1]):
        assert time.monotonic() < deadline
    assert 'csstream_events_total{topic="cs.chat",result="applied"} 5\n' in text, (
        "what is the process's own goes on"
    )


def test_who_is_frozen_looks_frozen() -> None:
    rack = Rack()
    rack.page = Page(b"figures", b"own", float("inf"), None, None)
    assert rack.answer("/metrics") == (200, b"figures")
    rack.fed_s -= HUNGRY_S + 1
    for path in ("/metrics", "/livez", "/readyz"):
        status, body = rack.answer(path)
        assert (status, body[-5:-3]) == (503, b"11"), "Prometheus takes it for down, and its alert fires"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGUSR1])
def test_it_ends_with_a_process_that_dies_and_does_its_last_will(tmp_path: Path, how: signal.Signals) -> None:
    done = tmp_path / "done"
    command = [sys.executable, "-c", WORKER, str(done)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        address = worker.stdout.readline().strip()
        until(address, "process_cpu_seconds_total")
        worker.send_signal(how)
    port = int(address.removesuffix("/metrics").rsplit(":", 1)[1])
    deadline = time.monotonic() + 20
    while True:  # the port is free for whoever is started in its place
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            break
    while not done.exists() or done.read_text("utf-8") != "last words":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_will_of_a_process_that_closes_it_is_void() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
    page = Page(b"figures\n", b"", float("inf"), None, None)
    kiosk = Kiosk(listening, lambda: page, lambda: Will(("no-such-program",), ""))
    until(address, "figures")
    kiosk.stop()
    assert kiosk.process.returncode == -signal.SIGKILL, "it was ended before its pages did"


def test_nothing_is_done_for_a_process_that_lives_though_its_pages_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = [sys.executable, "-I", "-S", kiosk_program.__file__, str(number)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(number,)) as process:
            will = Will(("no-such-program",), "")
            head = {"sizes": [], "until_s": 0.0, "unready": None, "dead": None, "will": will}
            process.communicate(json.dumps(head).encode() + b"\n")
    assert process.returncode == 0, "to look for the program would have failed"


def test_half_a_page_of_a_killed_process_leaves_its_will_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    will = Will(("program",), "words")
    head = json.dumps({"sizes": [1, 1], "until_s": 0, "unready": None, "dead": None, "will": will}).encode()
    for cut in (b"", head[:9], head + b"\n", head + b"\na"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(head + b"\nfo" + cut)))
        rack = Rack()
        rack.fill()
        assert rack.will == Will(["program"], "words")  # type: ignore[arg-type]


def test_one_that_somebody_ends_is_replaced() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
    kiosk = Kiosk(listening, lambda: Page(b"figures\n", b"", float("inf"), None, None))
    try:
        until(address, "figures")
        first = kiosk.process
        first.kill()
        first.wait()
        until(address, "figures")
        assert kiosk.process is not first
    finally:
        kiosk.stop()


def test_a_page_or_a_kiosk_that_cannot_be_made_is_made_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A moment without memory, files or processes is no reason to show old figures for ever."""
    monkeypatch.setattr(kiosk_program, "BEAT_S", 0.02)
    torn, text = threading.Event(), b"figures\n"

    def page() -> Page:
        if torn.is_set():
            raise KeyError("torn")
        return Page(text, b"", float("inf"), None, None)

    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"
    kiosk = Kiosk(listening, page)
    try:
        until(address, "figures")
        torn.set()
        wait_for(lambda: "KeyError: 'torn'" in caplog.text)
        text = b"new figures\n"
        torn.clear()
        until(address, "new figures")
        opened, failed = kiosk._open, threading.Event()

        def fails_once() -> "subprocess.Popen[bytes]":
            if failed.is_set():
                return opened()
            failed.set()
            raise BlockingIOError("no more processes")

        monkeypatch.setattr(kiosk, "_open", fails_once)
        kiosk.process.kill()
        wait_for(failed.is_set)
        text = b"newest figures\n"
        until(address, "newest figures")
        assert caplog.text.count("no figures can be handed out") == 2
    finally:
        kiosk.stop()


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_scraper_that_gives_up_leaves_no_trace_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    front = Front(listening, lambda _: (200, b"x" * 50_000_000))
    done = threading.Event()
    shut = front.shutdown_request

    def told(request: Any) -> None:
        shut(request)
        done.set()

    front.shutdown_request = told  # type: ignore[method-assign]
    threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True).start()
    with socket.create_connection(listening.getsockname()) as scraper:
        scraper.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert scraper.recv(10)
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert done.wait(10)
    front.shutdown()
    front.server_close()
    assert capsys.readouterr().err == ""
