"""A followed file beside the other ways in: what goes wrong with it, or with the inbox, ends neither."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from csstream.serve import follow as module
from csstream.serve.follow import follow
from csstream.serve.inbox import Inbox
from csstream.serve.tail import FollowError
from csstream.web.ingest import AwayError


class Followed:
    """A log, the inbox it goes to, and who follows."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "chat.jsonl"
        self.inbox = Inbox(folder / "kept" / "inbox.db")
        self.values: list[bytes] = []
        self.following = asyncio.create_task(follow(str(self.log), self.inbox))

    def write(self, line: bytes) -> None:
        """Somebody writes a line."""
        with self.log.open("ab") as file:
            file.write(line + b"\n")

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, and as long as the file is followed."""
        end = time.monotonic() + 20
        while not done():
            assert not self.following.done(), repr(self.following)
            assert time.monotonic() < end, "it did not come to be in time"
            self.values += [record.value for record in self.inbox.take(100, 1 << 20)]
            await asyncio.sleep(0.02)


@pytest.fixture
async def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Followed]:
    """A file of one line that was taken."""
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    monkeypatch.setattr("csstream.serve.inbox.REOPEN_S", 0.05)
    (tmp_path / "kept").mkdir()
    found = Followed(tmp_path)
    found.write(b"one")
    await found.inbox.open({})
    running = asyncio.create_task(found.inbox.run())
    await found.until(lambda: found.values == [b"one"])
    yield found
    found.following.cancel()
    running.cancel()
    await found.inbox.close()


async def test_an_inbox_that_is_away_for_a_while_ends_nothing_and_no_line_is_lost(
    followed: Followed, tmp_path: Path
) -> None:
    inbox = followed.inbox
    assert inbox._connection is not None
    inbox._connection.execute("pragma query_only = 1")
    (tmp_path / "kept").rename(tmp_path / "gone")
    followed.write(b"two")
    await followed.until(lambda: inbox._connection is None)
    with pytest.raises(AwayError):
        await inbox.places()
    with pytest.raises(sqlite3.Error, match="not open"):
        await inbox.sweep(0)
    (tmp_path / "gone").rename(tmp_path / "kept")
    await followed.until(lambda: followed.values == [b"one", b"two"])


async def test_a_file_that_cannot_be_read_for_a_while_is_tried_again(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = Path.open
    denied = True

    def refuse(self: Path, mode: str = "r") -> object:
        if self == followed.log and denied:
            raise PermissionError(13, "Permission denied")
        return opened(self, mode)

    monkeypatch.setattr("csstream.serve.tail.GRACE_S", 0.0)
    new = tmp_path / "new"
    new.write_bytes(b"two\n")
    monkeypatch.setattr(Path, "open", refuse)
    followed.log.rename(f"{followed.log}.1")
    new.rename(followed.log)
    await followed.until(lambda: "Permission denied; trying again" in caplog.text)
    denied = False
    await followed.until(lambda: followed.values == [b"one", b"two"])


async def test_a_file_that_cannot_be_followed_at_all_is_told_at_once(
    followed: Followed, tmp_path: Path
) -> None:
    with pytest.raises(FollowError, match="only a plain file"):
        await asyncio.wait_for(follow(str(tmp_path / "kept"), followed.inbox), 5)
