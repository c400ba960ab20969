"""The inbox: nothing that was answered is lost, nothing is taken twice, and it never grows without bound."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from csstream.serve import inbox as inbox_module
from csstream.serve.inbox import ROOM, Inbox, InboxError, read_events
from csstream.serve.place import Place
from csstream.web.batch import Entry
from csstream.web.ingest import AwayError, BusyError

NOTHING: dict[str, int] = {}
LARGE = 1 << 30


class Box:
    """An inbox on a file, its clock, and what becomes of it over restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_s = 1_000.0
        self.inbox = Inbox(path, lambda: self.now_s)
        self.running: asyncio.Task[None] | None = None

    async def open(self, counted: dict[str, int]) -> Inbox:
        """A new owner, which goes on behind what is counted."""
        await self.close()
        self.inbox = Inbox(self.path, lambda: self.now_s)
        await self.inbox.open(counted)
        self.running = asyncio.create_task(self.inbox.run())
        return self.inbox

    async def close(self) -> None:
        """The owner ends."""
        if self.running is not None:
            self.running.cancel()
            await self.inbox.close()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    """One file."""
    box = Box(tmp_path / "inbox.db")
    yield box
    await box.close()


def entries(first: int, number: int, topic: str = "cs.chat") -> list[Entry]:
    """Events that say which they are."""
    return [Entry(topic, "s", b"%s %d" % (topic.encode(), n)) for n in range(first, first + number)]


def taken(inbox: Inbox) -> list[tuple[str, int, bytes]]:
    """All that is at hand."""
    return [(record.topic, record.offset, record.value) for record in inbox.take(LARGE, LARGE)]


async def test_what_was_answered_is_at_hand_once_in_order_with_positions_of_its_topic(box: Box) -> None:
    inbox = await box.open(NOTHING)
    await asyncio.gather(
        inbox.put(entries(0, 2)), inbox.put(entries(0, 1, "cs.orders")), inbox.put(entries(2, 1))
    )
    assert taken(inbox) == [
        ("cs.chat", 0, b"cs.chat 0"),
        ("cs.chat", 1, b"cs.chat 1"),
        ("cs.orders", 0, b"cs.orders 0"),
        ("cs.chat", 2, b"cs.chat 2"),
    ]
    assert taken(inbox) == []


@pytest.mark.parametrize("counted", [0, 1, 3])
async def test_after_a_restart_what_is_not_counted_is_at_hand_again(box: Box, counted: int) -> None:
    inbox = await box.open(NOTHING)
    await inbox.put(entries(0, 3))
    taken(inbox)
    inbox = await box.open({"cs.chat": counted})
    assert [offset for _, offset, _ in taken(inbox)] == list(range(counted, 3))
    await inbox.put(entries(3, 1))
    assert taken(inbox) == [("cs.chat", 3, b"cs.chat 3")]


async def test_who_brings_too_much_waits_and_is_then_told_to_come_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = await box.open(NOTHING)
    await inbox.put(entries(0, ROOM))
    monkeypatch.setattr(inbox_module, "PATIENCE_S", 0.2)
    with pytest.raises(BusyError, match="not counted yet"):
        await inbox.put(entries(ROOM, 1))
    waiting = asyncio.create_task(inbox.put_patiently(entries(ROOM, 1)))
    assert len(taken(inbox)) == ROOM
    assert not waiting.done()
    inbox.counted({"cs.chat": 1, "cs.orders": 0, "cs.agents": 0})
    await asyncio.wait_for(waiting, 5)
    assert taken(inbox) == [("cs.chat", ROOM, b"cs.chat %d" % ROOM)]


async def test_time_stands_at_what_is_still_to_be_taken(box: Box) -> None:
    inbox = await box.open(NOTHING)
    assert inbox.complete_ms() == 1_000_000
    box.now_s = 1_001
    put = asyncio.create_task(inbox.put(entries(0, 1)))
    await asyncio.sleep(0)
    box.now_s = 1_005
    assert inbox.complete_ms() == 1_001_000, "on its way to the disk"
    await put
    assert inbox.complete_ms() == 1_001_000, "at hand"
    taken(inbox)
    assert inbox.complete_ms() == 1_005_000


async def test_a_full_disk_refuses_and_what_follows_is_kept_when_there_is_room_again(box: Box) -> None:
    inbox = await box.open(NOTHING)
    await inbox.put(entries(0, 1))
    assert inbox._connection is not None
    (pages,) = inbox._connection.execute("pragma page_count").fetchone()
    inbox._connection.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(AwayError, match="full"):
        await inbox.put([Entry("cs.chat", "s", b"x" * 1_000_000)])
    assert inbox.fault is not None
    await inbox.put(entries(1, 1))  # the limit was the connection's: opened again, it has gone
    assert inbox.fault is None
    assert [offset for _, offset, _ in taken(inbox)] == [0, 1]


async def test_a_place_is_kept_with_its_lines_or_not_at_all(box: Box) -> None:
    inbox = await box.open(NOTHING)
    place = Place("chat.jsonl", 7, 100, b"head")
    await inbox.put_patiently(entries(0, 1), place)
    await inbox.put_patiently([], place._replace(offset=200))
    inbox = await box.open(NOTHING)
    assert await inbox.places() == {"chat.jsonl": place._replace(offset=200)}
    assert len(taken(inbox)) == 1


async def test_what_is_old_and_counted_is_forgotten_and_no_number_is_used_again(box: Box) -> None:
    inbox = await box.open(NOTHING)
    await inbox.put(entries(0, 12_000))
    box.now_s = 2_000
    await inbox.put(entries(12_000, 10))
    taken(inbox)
    inbox.counted({"cs.chat": 11_990, "cs.orders": 0, "cs.agents": 0})
    await inbox.sweep(1_500_000)
    assert len(read_events(box.path, 0, LARGE)) == 12_010, "what is not counted keeps what follows"
    inbox.counted({"cs.chat": 12_010, "cs.orders": 0, "cs.agents": 0})
    await inbox.sweep(1_500_000)
    assert [seq for seq, _ in read_events(box.path, 0, LARGE)] == list(range(12_001, 12_011))
    await inbox.sweep(9_000_000)
    assert read_events(box.path, 0, LARGE) == []
    inbox = await box.open({"cs.chat": 12_010})
    await inbox.put(entries(12_010, 1))
    assert taken(inbox) == [("cs.chat", 12_010, b"cs.chat 12010")]
    assert [seq for seq, _ in read_events(box.path, 0, LARGE)] == [12_011]


async def test_files_that_do_not_belong_together_are_refused(box: Box) -> None:
    inbox = await box.open(NOTHING)
    await inbox.put(entries(0, 5))
    await box.close()
    with closing(sqlite3.connect(box.path)) as connection:
        connection.execute("delete from inbox where position < 3")
        connection.commit()
    with pytest.raises(InboxError, match=r"no longer has event 1 of cs\.chat"):
        await box.open({"cs.chat": 1})


async def test_a_file_that_is_no_database_is_named(box: Box) -> None:
    box.path.write_bytes(b"not a database, and long enough to look at" * 100)
    with pytest.raises(InboxError, match=r"inbox\.db"):
        await box.open(NOTHING)
