"""The demo in process: what it shows is what the batch core says of the same events."""

import gzip
import re
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import zstandard

from csstream.exporter import Exporter, Snapshot
from csstream.policy import load
from csstream.serve.demo import OPENS_MS, DemoError
from csstream.serve.reel import Lines
from csstream.serve.screen import Screen
from csstream.serve.stage import Stage
from csstream.serve.tape import Tape
from csstream.simulate import HOUR_MS, Plan, events
from tests.serve.wall import assert_shows, batch, played, simulated, written

SCREEN = Screen("Asia/Shanghai")


def evening(**plan: Any) -> list[dict[str, Any]]:
    """A log of less than an hour."""
    return list(events(Plan(seed=9, start_ms=OPENS_MS, agents=6, hours=0.6, **plan)))


def instants(output: list[tuple[float, str]], state: str) -> list[tuple[float, int]]:
    """Of the alert lines of a state: when they were printed, and the second of the day they name."""
    found = []
    for at_s, text in output:
        match = re.match(rf"(\d\d):(\d\d):(\d\d)  {state} ", text)
        if match:
            hours, minutes, seconds = map(int, match.groups())
            found.append((at_s, hours * 3600 + minutes * 60 + seconds))
    return found


# ---- a simulated shop ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [1.0, 40.0])
async def test_the_figures_shown_are_those_of_the_batch_core(speed: float) -> None:
    result, _ = await played(for_s=12.0, speed=speed, seed=3)
    now = OPENS_MS + int(12 * speed * 1000)
    assert abs(result.view.now_ms - now) <= 150 * speed
    assert_shows(result.view, batch(simulated(3, result.view.now_ms), result.view.now_ms))
    assert result.ended == "time"
    assert result.dead == {}


async def test_the_screen_and_the_summary_show_these_figures() -> None:
    result, paper = await played(terminal=True, width=140, height=40, for_s=3.0)
    text = paper.getvalue()
    total = result.view.total
    assert total.waits > 100
    assert f"{total.within_30}/{total.waits}" in text
    for line in result.view.agents:
        if line.waits:
            assert re.search(rf"{line.agent} .*{line.within_30}/{line.waits} .*{line.p90_s:.1f} s", text)
    assert "http://127.0.0.1:" in text


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_an_alert_is_seen_within_half_a_minute_and_a_second_after_its_deadline(seed: int) -> None:
    _, paper = await played(for_s=30.0, seed=seed)
    fired = instants(paper.written, "firing")
    opened = SCREEN.local(OPENS_MS)
    opened_s = opened.hour * 3600 + opened.minute * 60 + opened.second
    assert fired
    assert all(0 <= opened_s + at_s - named_s <= 2 for at_s, named_s in fired)
    assert min(at_s for at_s, _ in fired) < 30


async def test_what_happened_before_the_screen_came_up_is_not_told_as_news() -> None:
    result, paper = await played(for_s=1.0)
    assert result.view.fired > 100
    assert len(instants(paper.written, "firing")) < 5
    old = [line for line in result.view.alerts if not line.new]
    assert all(line.alert.state == "firing" and line.at_ms <= OPENS_MS for line in old)


async def test_nobody_is_told_twice_that_one_customer_waits_no_more() -> None:
    result, _ = await played(for_s=100.0, speed=3)
    ends = [
        (line.at_ms, line.alert.customer) for line in result.view.alerts if line.alert.state == "resolved"
    ]
    assert len(ends) > 10
    assert len(ends) == len(set(ends))


async def test_chat_text_is_never_shown() -> None:
    texts = {event["text"] for event in simulated(1, OPENS_MS + 60_000) if event.get("text")}
    for terminal in (True, False):
        result, paper = await played(for_s=6.0, speed=10.0, terminal=terminal, language="zh")
        assert result.view.waits
        assert not [text for text in texts if len(text) > 4 and text in paper.getvalue()]


# ---- a log --------------------------------------------------------------------------------------------------------


async def test_a_log_played_fast_gives_what_the_batch_core_gives(tmp_path: Path) -> None:
    log = evening(disorder_ms=90_000, duplicates=0.03)
    result, _ = await played(log=written(tmp_path / "log.jsonl", log), speed=1e7)
    assert result.ended == "log"
    assert result.events == len(log)
    assert_shows(result.view, batch(log))


@pytest.mark.parametrize("speed", [60.0, 900.0])
async def test_the_speed_changes_no_figure(tmp_path: Path, speed: float) -> None:
    log = evening()
    result, paper = await played(log=written(tmp_path / "log.jsonl", log), speed=speed)
    assert_shows(result.view, batch(log))
    wanted_s = (log[-1]["ts"] - log[0]["ts"]) / 1000 / speed
    assert wanted_s <= paper.wall.now_s <= wanted_s + 1


async def test_a_log_in_no_order_at_all_is_sorted(tmp_path: Path) -> None:
    log = evening()
    Random(7).shuffle(log)
    result, _ = await played(log=written(tmp_path / "log.jsonl", log), speed=1e7)
    assert_shows(result.view, batch(log))
    assert result.dead == {}


@pytest.mark.parametrize("name", ["log.jsonl.gz", "log.jsonl.zst"])
async def test_a_packed_log_is_unpacked(tmp_path: Path, name: str) -> None:
    log = evening()
    data = b"".join(orjson.dumps(event) + b"\n" for event in log)
    half = data.index(b"\n", len(data) // 2) + 1
    pack = gzip.compress if name.endswith("gz") else zstandard.ZstdCompressor().compress
    (tmp_path / name).write_bytes(pack(data[:half]) + pack(data[half:]))
    result, _ = await played(log=str(tmp_path / name), speed=1e7)
    assert result.events == len(log)
    assert_shows(result.view, batch(log))


async def test_bad_lines_are_counted_with_their_place_and_never_with_their_text(tmp_path: Path) -> None:
    log = evening()
    path = tmp_path / "log.jsonl"
    lines = [orjson.dumps(event) for event in log]
    lines[10:10] = [b'{"id": "x", secret', b'{"type":"message","secret":1}']
    path.write_bytes(b"\n".join(lines))
    result, paper = await played(log=str(path), speed=1e7)
    assert result.dead == {"not_json": 1, "missing:id": 1}
    assert [example.split(": ")[:2] for example in result.examples] == [
        [f"{path}:11", "not_json"],
        [f"{path}:12", "missing:id"],
    ]
    assert "Dead letters: 1 missing:id, 1 not_json" in paper.getvalue()
    assert "secret" not in paper.getvalue()
    assert_shows(result.view, batch(log))


async def test_a_night_in_which_nobody_writes_is_skipped(tmp_path: Path) -> None:
    one = {"v": 1, "type": "message", "shop": "s", "customer": "c", "sender": "customer"}
    log = [one | {"id": "1", "ts": OPENS_MS}, one | {"id": "2", "ts": OPENS_MS + 9 * HOUR_MS}]
    result, paper = await played(log=written(tmp_path / "log.jsonl", log))
    assert paper.wall.now_s < 20
    assert result.view.waits[0].age_ms == 9 * HOUR_MS
    assert result.view.waits[0].severity == "lost"
    assert "those of the last day" in paper.getvalue()


async def test_a_log_that_is_cut_short_by_time_shows_what_was_played(tmp_path: Path) -> None:
    log = evening()
    result, _ = await played(log=written(tmp_path / "log.jsonl", log), speed=60.0, for_s=5.0)
    assert result.ended == "time"
    now = result.view.now_ms
    assert abs(now - log[0]["ts"] - 300_000) < 10_000
    assert_shows(result.view, batch([event for event in log if event["ts"] <= now], now))


async def test_an_empty_log_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\n\n")
    result, paper = await played(log=str(tmp_path / "log.jsonl"))
    assert (result.ended, result.events) == ("log", 0)
    assert "no event: 0 events" in paper.getvalue()


# ---- what cannot be -----------------------------------------------------------------------------------------------


async def test_a_log_that_is_not_there_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        DemoError, match=r"nowhere.jsonl: cannot be read: No such file or directory; check the path"
    ):
        await played(log=str(tmp_path / "nowhere.jsonl"))
    with pytest.raises(DemoError, match=r"a directory; name the files in it"):
        await played(log=str(tmp_path))


@pytest.mark.parametrize("what", ["cut off", "overwritten"])
async def test_a_broken_archive_is_said(tmp_path: Path, what: str) -> None:
    whole = gzip.compress(b'{"a": 1}\n' * 1000)
    broken = whole[:40] if what == "cut off" else whole[:12] + b"\xff" * 28 + whole[40:]
    (tmp_path / "log.gz").write_bytes(broken)
    with pytest.raises(DemoError, match=r"log.gz: cannot be read on .*unpack the file again"):
        await played(log=str(tmp_path / "log.gz"))


async def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    del tmp_path
    with pytest.raises(DemoError, match="give another port, or 0"):
        await played(port=70_000)


async def test_what_metrics_show_is_what_the_screen_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[Snapshot] = []
    monkeypatch.setattr(Exporter, "update", lambda _, snapshot: exported.append(snapshot))
    result, paper = await played(for_s=20.0, seed=2)
    assert len(exported) >= paper.wall.now_s  # one a second, and no more seldom
    last = {
        name: {labels[1:]: value for labels, value in found} for name, found in exported[-1].readings.items()
    }
    for line in result.view.agents:
        assert last["open_waits"].get((line.agent,), 0) == line.open
        assert last["agent_day_waits"].get((line.agent,), 0) == line.waits
        assert last["agent_day_response_p90_seconds"].get((line.agent,)) == line.p90_s
    assert last["day_waits"][()] == result.view.total.waits


async def test_time_never_runs_ahead_of_events_that_are_still_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("csstream.serve.stage.STEP_RECORDS", 100)
    log = evening(spam=0.0)  # a spam mark takes alerts back, and rightly
    tape = Tape(Lines(map(orjson.dumps, log)))
    heard: list[str] = []
    stage = Stage(load("handbook"), tape, "1", lambda lines: heard.extend(line.alert.state for line in lines))
    await stage.open()
    stage.watch()
    while not tape.ended:
        await stage.play(OPENS_MS + 24 * HOUR_MS)
    results = {labels[1] for labels, _ in stage.snapshot().readings["events_total"]}
    assert results == {"applied"}
    assert "firing" in heard
    assert "retracted" not in heard
    assert_shows(stage.view(), batch(log))
