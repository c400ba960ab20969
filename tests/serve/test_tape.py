"""Event time, and the order in which a log is played."""

import os
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from csstream.events import MAX_BYTES
from csstream.serve.pace import Pace
from csstream.serve.reel import Line, Lines, LogError, Logs
from csstream.serve.tape import Tape
from tests.serve.wall import Wall


def line(ts: int, **fields: Any) -> bytes:
    """One message."""
    event = {"id": f"m{ts}", "type": "message", "ts": ts, "shop": "s", "customer": "c", "sender": "customer"}
    return orjson.dumps(event | fields)


def presence(ts: int) -> bytes:
    """One event of another topic."""
    return orjson.dumps(
        {"id": f"p{ts}", "type": "presence", "ts": ts, "shop": "s", "agent": "a", "state": "online"}
    )


def whole(reel: Logs) -> list[Line]:
    """All lines of a log, as they are read."""
    found: list[Line] = []
    while (lines := reel.read()) is not None:
        found += lines
    return found


# ---- the clock ----------------------------------------------------------------------------------------------------


async def test_event_time_passes_at_the_speed_asked_and_from_where_it_was_moved() -> None:
    wall = Wall()
    pace = Pace(1_000, 60, wall.clock, wall.sleep)
    await pace.sleep(2)
    assert pace.now_ms() == 121_000
    pace.change(1)
    await pace.sleep(2)
    assert pace.now_ms() == 123_000
    pace.move_to(500_000)
    await pace.sleep(1)
    assert pace.now_ms() == 501_000
    assert pace.wall_s() == 5


async def test_time_stands_still_while_paused() -> None:
    wall = Wall()
    pace = Pace(0, 1, wall.clock, wall.sleep)
    await pace.sleep(1)
    pace.pause(True)
    await pace.sleep(100)
    assert pace.now_ms() == 1_000
    pace.pause(False)
    await pace.sleep(1)
    assert pace.now_ms() == 2_000


# ---- the order ----------------------------------------------------------------------------------------------------


def test_events_are_taken_when_their_time_has_come_and_not_before() -> None:
    tape = Tape(Lines(iter([line(10), line(20), presence(20), line(30)])))
    assert tape.fill()
    assert tape.next_ms() == 10
    taken = tape.take(100, 20)
    assert taken.number == 3
    assert {topic: [r.offset for r in records] for topic, records in taken.records.items()} == {
        "cs.chat": [0, 1],
        "cs.agents": [0],
    }
    assert tape.next_ms() == 30
    assert tape.take(100, 29).number == 0
    assert not tape.ended
    assert tape.take(100, 30).number == 1
    assert tape.take(100, 99).number == 0
    assert tape.ended


def test_no_more_are_taken_than_asked_for() -> None:
    tape = Tape(Lines(map(line, range(1_000))))
    assert [tape.take(300, 10_000).number for _ in range(4)] == [300, 300, 300, 100]


def test_a_log_out_of_order_by_less_than_the_window_is_played_in_order() -> None:
    order = [50, 40, 30, 20, 10, 90, 80, 70, 60, 130, 120, 110, 100]
    tape = Tape(Lines(iter([line(ts) for ts in order]), chunk=1), ahead=5 * len(line(10)))
    taken = tape.take(100, 1_000).records["cs.chat"]
    assert [record.time_ms for record in taken] == sorted(order)
    assert [record.offset for record in taken] == list(range(len(order)))


def test_out_of_order_by_more_than_the_window_comes_late_and_is_not_lost() -> None:
    tape = Tape(Lines(iter([line(ts) for ts in (20, 30, 40, 10)]), chunk=1), ahead=2 * len(line(10)))
    assert [record.time_ms for record in tape.take(100, 1_000).records["cs.chat"]] == [20, 30, 10, 40]


def test_what_is_no_event_is_played_where_it_stands() -> None:
    tape = Tape(Lines(iter([b"{", line(10), b"[]", line(20)])))
    assert [record.value for record in tape.take(100, 10).records["cs.chat"]] == [b"{", line(10), b"[]"]
    last = tape.take(100, 20)
    assert last.places["cs.chat", 3] == "line 4"


# ---- files --------------------------------------------------------------------------------------------------------


def test_lines_have_their_place_and_blank_ones_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\n\n  \nfour")
    (tmp_path / "b").write_bytes(b"five\n")
    found = whole(Logs((str(tmp_path / "a"), str(tmp_path / "b"))))
    assert [(place.rsplit("/", 1)[1], value) for place, value in found] == [
        ("a:1", b"one"),
        ("a:4", b"four"),
        ("b:1", b"five"),
    ]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (3 * MAX_BYTES) + b"\nnext\n")
    first, second = whole(Logs((str(tmp_path / "log"),)))
    assert MAX_BYTES < len(first.value) < MAX_BYTES + 10
    assert second.value == b"next"
    tape = Tape(Lines(iter([first.value])))
    assert len(tape.take(1, 0).records["cs.chat"]) == 1


def test_a_pipe_that_says_nothing_yet_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reel = Logs((str(pipe),))
    tape = Tape(reel, ahead=1)
    assert not tape.fill()
    assert not tape.ready
    writer = threading.Thread(target=pipe.write_bytes, args=(line(10) + b"\n",))
    writer.start()
    writer.join(5)
    while not tape.ready:
        tape.fill()
    assert tape.next_ms() == 10


def test_what_cannot_be_read_is_said_by_whoever_reads(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="check the path"):
        whole(Logs((str(tmp_path / "nowhere"),)))
