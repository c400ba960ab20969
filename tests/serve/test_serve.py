"""`csstream serve` as people run it: killed at any instant it forgets nothing, and it is on time."""

import asyncio
import json
import os
import random
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from csstream.simulate import Plan, lines
from tests.replay.files import lines as read_lines
from tests.replay.files import replayed
from tests.serve.served import GONE, Served, kept_facts, read_all

LONG_AGO_MS = 1_577_836_800_000
"""2020: no wall clock moves a shop so old, so that only its events count."""

Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a process; what still runs at the end is ended."""
    started: list[Served] = []

    def new(*arguments: str, data: Path = tmp_path / "data") -> Served:
        started.append(Served(data, *arguments))
        return started[-1]

    yield new
    for served in started:
        served.kill()


def shop_log(events: int, seed: int) -> list[bytes]:
    """A busy evening of long ago, in the order of its time."""
    plan = Plan(seed=seed, start_ms=LONG_AGO_MS, agents=14, customers_per_hour=235.0)
    return list(islice(lines(plan), events))


def replay_facts(log: list[bytes], folder: Path) -> dict[str, dict[str, object]]:
    """What an audit of the same events says."""
    (folder / "log.jsonl").write_bytes(b"\n".join(log) + b"\n")
    replayed(folder / "audit", folder / "log.jsonl")
    return {fact["fact"]: fact for fact in read_lines(folder / "audit" / "facts.jsonl")}


def message(number: int, ts_ms: int, **more: object) -> bytes:
    """A customer's message."""
    event = {"id": f"m{number}", "type": "message", "ts": ts_ms, "shop": "s", "customer": f"c{number}"}
    return json.dumps(event | {"sender": "customer"} | more).encode()


async def test_killed_at_any_instant_it_has_the_facts_and_alerts_of_a_replay(
    start: Start, tmp_path: Path
) -> None:
    log = shop_log(4_000, 1)
    chance = random.Random(1)
    served = start()
    sent = 0
    answered = threading.Event()

    def send() -> None:
        nonlocal sent
        while sent < len(log):
            some = log[sent : sent + 40]
            with suppress(*GONE):
                if served.ask("/v1/events", b"\n".join(some))[0] == 200:
                    sent += len(some)
                    continue
            time.sleep(0.02)
        answered.set()

    sender = threading.Thread(target=send)
    sender.start()
    for reached in sorted(chance.sample(range(len(log) * 9 // 10), 4)):
        served.until(lambda reached=reached: sent >= reached)  # type: ignore[misc]
        await asyncio.sleep(chance.uniform(0, 0.05))
        served.kill()
        served = start()
    assert answered.wait(60)
    sender.join()
    status, said = served.stop()
    assert status == 0, said
    assert "Traceback" not in said
    assert read_all(served.data, "dead_letters") == []
    assert await kept_facts(served.data) == replay_facts(log, tmp_path)
    last = {alert["alert"]: alert for alert in read_all(served.data, "alerts")}
    expected = {alert["alert"]: alert for alert in read_lines(tmp_path / "audit" / "alerts.jsonl")}
    for alerts in (last, expected):
        for name in [name for name, alert in alerts.items() if alert["customer"] is None]:
            del alerts[
                name
            ]  # of the state of an agent or the shop: never corrected, so bound to when things came in
    assert len(expected) > 20
    assert {name: alert for name, alert in last.items() if alert["state"] != "retracted"} == expected
    published = [(fact["fact"], fact["rev"]) for fact in read_all(served.data, "facts")]
    assert len(published) == len(set(published)), "each revision once"


async def test_a_level_is_passed_on_time_though_nothing_arrives(start: Start) -> None:
    served = start()
    began_ms = int(time.time() * 1000) - 28_500
    assert served.ask("/v1/events", message(1, began_ms))[0] == 200

    def fired() -> bool:
        return any(alert["alert"].endswith("|30") for alert in served.records("alerts"))

    served.until(fired)
    assert 0 <= time.time() * 1000 - (began_ms + 30_000) < 3_000, "at once, and what a busy machine adds"
    (first, second) = served.records("alerts")
    assert (first["ts"], second["ts"]) == (began_ms + 15_000, began_ms + 30_000)


async def test_what_the_core_sets_aside_can_be_read_with_its_reason(start: Start) -> None:
    served = start()
    early = message(1, int(time.time() * 1000) + 3_600_000)
    assert served.ask("/v1/events", early)[0] == 200
    served.until(lambda: any(served.records("dead-letters")))
    (letter,) = served.records("dead-letters")
    assert (letter["reason"], letter["topic"], letter["raw"]) == ("future", "cs.chat", early.decode())


async def test_what_came_in_can_be_read_and_replayed(start: Start, tmp_path: Path) -> None:
    log = shop_log(1_500, 3)
    served = start()
    assert served.ask("/v1/events", b"\n".join(log))[0] == 200
    status, _, body = served.ask("/v1/events?limit=10000")
    assert (status, body.splitlines()) == (200, log)
    assert served.stop()[0] == 0
    assert await kept_facts(served.data) == replay_facts(log, tmp_path)


async def test_a_followed_file_counts_once_over_rotation_and_kills(start: Start, tmp_path: Path) -> None:
    log = shop_log(2_000, 5)
    followed = tmp_path / "chat.jsonl"
    followed.write_bytes(b"{nonsense\n")
    chance = random.Random(5)
    served = start("--follow", str(followed))
    served.until(lambda: any(served.lines("events")))
    sent = rotated = 0
    while sent < len(log):
        some = log[sent : sent + chance.randint(50, 400)]
        with followed.open("ab") as file:
            file.write(b"\n".join(some) + b"\n")
        sent += len(some)
        await asyncio.sleep(chance.uniform(0, 0.3))  # any instant will do, and no result depends on it
        if served.process.poll() is not None:
            served = start("--follow", str(followed))
        elif chance.random() < 0.4:
            served.kill()
            rotated += 1
            followed.rename(tmp_path / f"chat.jsonl.{rotated}")
    followed.touch()
    if served.process.poll() is not None:
        served = start("--follow", str(followed))

    def all_is_counted() -> bool:
        events = sum(1 for _ in served.lines("events"))
        return events == len(log) + 1 and not re.search(
            rb"csstream_lag_records.* [1-9]", served.ask("/metrics")[2]
        )

    served.until(all_is_counted, 60)
    assert rotated >= 2
    assert [letter["reason"] for letter in served.records("dead-letters")] == ["not_json"]
    assert served.stop()[0] == 0
    assert await kept_facts(served.data) == replay_facts(log, tmp_path)


def test_it_says_how_it_does_and_guards_what_it_knows(start: Start) -> None:
    served = start()
    served.ask("/v1/events", message(1, int(time.time() * 1000)))
    served.until(
        lambda: b'csstream_http_requests_total{path="/v1/events",code="200"} 1' in served.ask("/metrics")[2]
    )
    served.until(lambda: b'csstream_open_waits{shop="s",agent=""} 1' in served.ask("/metrics")[2])
    assert served.ask("/readyz")[0] == 200
    served.token = "nonsense-nonsense-nonsense"
    for path in ("events", "facts", "alerts", "dead-letters"):
        assert served.ask(f"/v1/{path}")[0] == 401
    assert (served.data.stat().st_mode & 0o777) == 0o700


def test_a_second_process_on_the_folder_is_refused_in_one_line(start: Start) -> None:
    first = start()
    with pytest.raises(AssertionError, match="another csstream serve works in it"):
        start()
    assert first.ask("/readyz")[0] == 200


def test_the_token_is_never_printed(start: Start) -> None:
    served = start()
    served.ask("/v1/events", b"{}")
    _, said = served.stop()
    assert served.token not in said


ALERTS = """
[sinks.desk]
kind = "console"
[[routes]]
sinks = ["desk"]
rules = ["wait"]
"""


def test_people_are_told_once_also_when_it_was_killed_meanwhile(start: Start, tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text(ALERTS)
    arguments = ("--alerts", str(tmp_path / "alerts.toml"))
    served = start(*arguments)
    now_ms = int(time.time() * 1000)
    assert served.ask("/v1/events", message(1, now_ms - 20_000, agent="Anna"))[0] == 200
    served.wait_for("Anna")
    served.until(lambda: b'notifications_total{sink="desk",result="sent"} 1' in served.ask("/metrics")[2])
    served.kill()
    again = start(*arguments)
    assert again.ask("/v1/events", message(2, now_ms - 20_000, agent="Berta"))[0] == 200
    again.wait_for("Berta")
    _, said = again.stop()
    assert [line for line in said.splitlines() if "Berta" in line and " 15 " in line]
    assert not [line for line in said.splitlines() if "Anna" in line and " 15 " in line], "it was told before"


def test_a_mistake_in_the_file_of_alerts_is_wrong_usage(start: Start, tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text(ALERTS.replace("console", "pigeon"))
    with pytest.raises(AssertionError, match=r"alerts\.toml"):
        start("--alerts", str(tmp_path / "alerts.toml"))


def test_the_wall_shows_the_shop_and_what_fired_before_a_restart_to_who_has_the_link(start: Start) -> None:
    served = start()
    began_ms = int(time.time() * 1000) - 16_000
    served.ask("/v1/events", message(1, began_ms))
    served.until(lambda: any(served.records("alerts")))
    served.kill()
    again = start()
    link = (again.data / "wall-link").read_text().strip()
    assert link.startswith(f"{again.address}/#key=")
    assert (again.data / "wall-link").stat().st_mode & 0o777 == 0o600
    assert b"<html" in again.ask("/")[2]
    token, again.token = again.token, link.partition("key=")[2]
    request = urllib.request.Request(
        f"{again.address}/wall/stream", headers={"Authorization": f"Bearer {again.token}"}
    )
    shown = b""
    with urllib.request.urlopen(request, timeout=10) as stream:
        while not (b"m1" in shown and b"wait|s|c1" in shown and b"|15" in shown):
            shown += stream.readline()
    assert again.ask("/v1/facts")[0] == 401, "the link is for looking at the wall alone"
    again.token = "nonsense-nonsense-nonsense"
    assert again.ask("/wall/stream")[0] == 401
    again.token = token
    assert again.stop(10)[0] == 0


def test_a_shop_of_long_ago_costs_no_time_while_nothing_arrives(start: Start) -> None:
    served = start()
    served.ask("/v1/events", message(1, LONG_AGO_MS))
    served.until(lambda: b'open_waits{shop="s",agent=""} 1' in served.ask("/metrics")[2])
    stat = Path(f"/proc/{served.process.pid}/stat")
    if not stat.exists():
        pytest.skip("this system has no /proc to read a process's CPU time from")

    def ticks() -> int:
        return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))

    before, until = ticks(), time.monotonic() + 2
    served.until(lambda: time.monotonic() > until)
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.6
