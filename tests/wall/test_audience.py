"""Two hundred who look on cost one message each change; one who does not read costs nobody anything."""

import asyncio
import socket
import time
from statistics import median

import aiohttp
import pytest

from csstream.wall import audience
from csstream.wall.audience import BEHIND, Audience
from tests.wall.room import Room


async def test_a_change_is_encoded_once_however_many_look_on() -> None:
    room = Room()
    room.hears("10:00:00 c>A", until="10:00:05")
    theirs = Audience(room.picture)
    viewers = [theirs.join() for _ in range(200)]
    began = theirs.encoded
    room.hears("10:00:10 c>A #n", until="10:00:11")
    theirs.tell()
    assert theirs.encoded - began == 1
    first = None
    for viewer in viewers:
        assert viewer is not None
        assert b'"whole":true' in (await viewer.next() or b"")
        message = await viewer.next()
        assert message is not None
        first = first or message
        assert message is first, "one and the same bytes for all"


async def test_the_whole_is_encoded_once_for_all_who_come_back_together() -> None:
    room = Room()
    room.hears("10:00:00 c>A", until="10:00:05")
    theirs = Audience(room.picture)
    theirs.join()
    began = theirs.encoded
    for _ in range(200):
        theirs.join()
    assert theirs.encoded == began


async def test_who_does_not_read_is_let_go_and_the_others_miss_nothing() -> None:
    room = Room()
    theirs = Audience(room.picture)
    asleep, awake = theirs.join(), theirs.join()
    assert asleep is not None
    assert awake is not None
    await awake.next()
    for _ in range(BEHIND + 1):
        theirs.tell()
        assert await awake.next()
    assert theirs.viewers == {awake}
    assert await asleep.next() is None, "told nothing more, so that it comes back for the whole"


async def test_there_is_an_end_to_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "VIEWERS", 2)
    theirs = Audience(Room().picture)
    assert theirs.join()
    assert theirs.join()
    assert theirs.join() is None


async def test_two_hundred_screens_and_one_that_hangs_all_see_a_change_at_once() -> None:
    room = Room()
    room.evening(2)
    async with room.opened() as (address, wall), aiohttp.ClientSession() as session:
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        hung = socket.create_connection((host, int(port)))
        hung.sendall(f"GET /wall/stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        session.connector._limit = 0  # type: ignore[union-attr]
        answers = [await session.get(f"{address}wall/stream") for _ in range(200)]

        async def told(answer: aiohttp.ClientResponse, what: bytes) -> float:
            while what not in await answer.content.readline():
                pass
            return time.monotonic()

        async with asyncio.timeout(30):
            await asyncio.gather(*(told(answer, b'"whole"') for answer in answers))
            first, encoded = time.monotonic(), wall.audience.encoded
            took_s = []
            for number in range(7):
                began = time.monotonic()
                room.take(
                    [b'{"id":"n%d","type":"message","ts":%d,"shop":"s01","customer":"new-%d","sender":"customer"}'
                     % (number, room.now_ms, number)],
                    room.now_ms + 1,
                )  # fmt: skip
                new = b"new-%d" % number
                took_s.append(max(await asyncio.gather(*(told(answer, new) for answer in answers))) - began)
        assert median(took_s) < 1, took_s  # a busy machine may hold one of them up
        assert wall.audience.encoded - encoded <= 6 * (time.monotonic() - first) + 1, "not one a viewer"
        assert len(wall.audience.viewers) == 201
        for answer in answers:
            answer.close()
        hung.close()
