"""A real Alertmanager: what fires stands there, what ends goes, and what is posted again stays one alert."""

import asyncio
import json
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from csstream.notify.message import Message
from csstream.notify.notifier import wall_clock_ms
from csstream.notify.sinks.alertmanager import Alertmanager
from tests.kafka.node import free_ports
from tests.notify.days import T, ended, level
from tests.notify.test_crash import until
from tests.notify.test_sinks import settings


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """The address of an Alertmanager that is up."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("there is no Alertmanager here")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n", "utf-8")
    place = f"127.0.0.1:{free_ports()[0]}"
    told = (tmp_path / "told.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={config}", f"--storage.path={tmp_path}", f"--web.listen-address={place}",
        "--cluster.listen-address=", stdout=told, stderr=told, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: standing(f"http://{place}") is not None, 20)
        yield f"http://{place}"
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)
        told.close()


def standing(address: str) -> list[dict[str, Any]] | None:
    """The alerts that stand there; None while nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/api/v2/alerts", timeout=5) as answer:
            return list(json.loads(answer.read()))
    except OSError:
        return None


async def test_alertmanager_knows_what_stands_and_what_has_ended(address: str) -> None:
    begun = (wall_clock_ms() - T) / 1000 - 40
    one, two = level("w", 30, begun), level("v", 30, begun)
    sink = Alertmanager(settings(url=f"{address}/api/v2/alerts"))

    async def post(kind: Any, *alerts: Any) -> None:
        answer = await sink.send(Message("b", kind, wall_clock_ms(), "warning", list(alerts)))
        assert answer.ok, answer.said

    try:
        await post("batch", one, two)
        await post("refresh", one, two)
        found = await asyncio.to_thread(standing, address)
        assert found is not None
        assert {each["labels"]["alertname"] for each in found} == {"CsstreamWait"}
        assert len(found) == 2
        await post("batch", ended(one, time.time() - T / 1000))
        await until(lambda: len(standing(address) or []) == 1)
    finally:
        await sink.close()
