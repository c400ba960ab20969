"""A followed file: each line once, whatever rotates it, and whenever the follower was away."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from csstream.events import MAX_BYTES
from csstream.serve.place import Place
from csstream.serve.tail import GRACE_S, FollowError, Tail


class Follower:
    """A tail with a clock of its own, and all that it has read. It can be away, and come back where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[bytes] = []
        self.now_s = 0.0
        self.place: Place | None = None
        self.tail = Tail(str(path), clock=lambda: self.now_s)

    def read(self) -> None:
        """Everything that is there, and what is there once the writer has had time."""
        for _ in range(4):
            while (cut := self.tail.read()) is not None:
                self.lines += cut.lines
                self.place = cut.place
            self.now_s += GRACE_S

    def restart(self) -> None:
        """A new one on the last place that was kept."""
        self.tail.close()
        self.tail = Tail(str(self.path), self.place, clock=lambda: self.now_s)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "chat.jsonl"


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    """Who follows it."""
    follower = Follower(log)
    yield follower
    follower.tail.close()


def write(path: Path, first: int, last: int, end: str = "\n") -> None:
    """Append the lines from `first` to `last`, like a logger that keeps its file open."""
    with path.open("a") as file:
        file.write("\n".join(f"line {number}" for number in range(first, last + 1)) + end)


def numbers(follower: Follower) -> list[int]:
    """Which lines were read, in order."""
    return [int(line.split()[1]) for line in follower.lines]


def rename(path: Path, name: str) -> Path:
    """Rotate by renaming."""
    return path.rename(path.with_name(name))


def copytruncate(path: Path, name: str) -> None:
    """Rotate as logrotate does with that word."""
    shutil.copy(path, path.with_name(name))
    os.truncate(path, 0)


def test_a_line_counts_when_its_end_is_there(log: Path, follower: Follower) -> None:
    follower.read()
    write(log, 1, 3, end="")
    follower.read()
    assert numbers(follower) == [1, 2]
    write(log, 4, 4)
    follower.read()
    assert follower.lines[2:] == [b"line 3line 4"]


def test_a_file_that_is_renamed_is_read_to_its_end_before_the_next(log: Path, follower: Follower) -> None:
    write(log, 1, 3)
    follower.read()
    old = rename(log, "chat.jsonl.1")
    write(old, 4, 5)  # the writer has not been told yet
    write(log, 7, 8)
    while (cut := follower.tail.read()) is not None:
        follower.lines += cut.lines
    write(old, 6, 6, end="")
    follower.read()
    assert numbers(follower) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_file_that_is_cut_off_in_place_is_read_on_in_its_copy(log: Path, follower: Follower) -> None:
    write(log, 1, 3)
    follower.read()
    write(log, 4, 6)
    copytruncate(log, "chat.jsonl.1")
    write(log, 7, 8)
    follower.read()
    assert numbers(follower) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_file_that_is_begun_anew_is_read_from_its_beginning(log: Path, follower: Follower) -> None:
    write(log, 1, 3)
    follower.read()
    os.truncate(log, 0)
    write(log, 101, 120)  # longer than it was
    follower.read()
    assert numbers(follower) == [1, 2, 3, *range(101, 121)]


@pytest.mark.parametrize("rotations", [0, 1, 2, 3])
def test_after_a_restart_it_goes_on_over_all_that_was_rotated(
    log: Path, follower: Follower, rotations: int
) -> None:
    write(log, 1, 3)
    follower.read()
    follower.tail.close()
    write(log, 4, 5)
    for number in range(rotations):
        for old in range(number, 0, -1):
            rename(log.with_name(f"chat.jsonl.{old}"), f"chat.jsonl.{old + 1}")
        os.utime(log, ns=(0, 1_000_000_000 * (number + 1)))  # a coarse clock must not spoil the order
        rename(log, "chat.jsonl.1")
        write(log, 6 + 2 * number, 7 + 2 * number)
    follower.restart()
    follower.read()
    assert numbers(follower) == list(range(1, 6 + 2 * rotations))


def test_after_a_restart_it_goes_on_in_the_copy_of_a_file_that_was_cut_off(
    log: Path, follower: Follower
) -> None:
    write(log, 1, 3)
    follower.read()
    follower.tail.close()
    write(log, 4, 5)
    copytruncate(log, "chat.jsonl-20261121")
    write(log, 6, 9)
    follower.restart()
    follower.read()
    assert numbers(follower) == list(range(1, 10))


def test_a_rotated_file_that_is_gone_is_told_and_the_new_one_is_read(
    log: Path, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    write(log, 1, 3)
    follower.read()
    follower.tail.close()
    log.unlink()
    write(log, 7, 8)
    follower.restart()
    follower.read()
    assert numbers(follower) == [1, 2, 3, 7, 8]
    assert "is not beside it any more" in caplog.text


def test_a_line_without_an_end_in_sight_does_not_fill_the_memory_and_the_next_is_read(
    log: Path, follower: Follower
) -> None:
    with log.open("ab") as file:
        file.write(b"x" * (5 * MAX_BYTES))
    follower.read()
    assert follower.lines == []
    with log.open("ab") as file:
        file.write(b"\nline 1\n")
    follower.read()
    assert [len(line) for line in follower.lines] == [MAX_BYTES + 1, 6]


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(FollowError, match=name):
            Tail(str(tmp_path / name)).read()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_in_whatever_order_each_line_is_read_once(
    log: Path, follower: Follower, seed: int
) -> None:
    chance = random.Random(seed)
    written, rotated = 1, 0
    write(log, 1, 1)
    follower.read()
    for _ in range(60):
        match chance.choice(["write", "write", "read", "restart", "rename", "cut"]):
            case "write":
                more = chance.randint(1, 40)
                write(log, written + 1, written + more)
                written += more
            case "read":
                follower.read()
            case "restart":
                follower.restart()
            case "rename" if log.exists():
                rotated += 1
                os.utime(log, ns=(0, rotated * 1_000_000_000))
                rename(log, f"chat.jsonl.{rotated}")
            case "cut" if log.exists() and log.stat().st_size > 0:
                # Between a copy and the next look nothing else rotates: nobody could tell the order then.
                follower.read()
                rotated += 1
                more = chance.randint(1, 5)
                write(log, written + 1, written + more)
                written += more
                os.utime(log, ns=(0, rotated * 1_000_000_000))
                copytruncate(log, f"chat.jsonl.{rotated}")
                os.utime(log.with_name(f"chat.jsonl.{rotated}"), ns=(0, rotated * 1_000_000_000))
                follower.read()
    write(log, written + 1, written + 1)
    follower.read()
    follower.read()
    assert numbers(follower) == list(range(1, written + 2))
