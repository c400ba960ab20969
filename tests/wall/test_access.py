"""Who may look, who may act, and who gets nothing: over real HTTP."""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from click.testing import CliRunner

from csstream.cli import cli
from csstream.ledgers.kafka import Connection
from csstream.wall import Access
from csstream.wall.access import WRONG_KEYS
from csstream.wall.app import PAGE, Wall
from csstream.wall.follower import WallError
from csstream.wall.process import WallOptions, hang
from csstream.web.bearer import Bearer
from tests.laws.notation import at
from tests.wall.room import TOKEN, Room

ALERT = f"wait|s|c|{at('10:00:00')}|m1|15"


class Hung(NamedTuple):
    """A wall with a token, and one alert on it."""

    address: str
    wall: Wall
    session: aiohttp.ClientSession
    access: Access

    async def look(self, **headers: str) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of an answer to who wants to look."""
        async with self.session.get(f"{self.address}wall/stream", headers=sent(headers)) as answer:
            return answer.status, answer.headers

    async def see(self, body: object = None, **headers: str) -> tuple[int, str]:
        """The status and the text of an answer to who wants to acknowledge."""
        said = {"alert": ALERT} if body is None else body
        async with self.session.post(f"{self.address}wall/seen", json=said, headers=sent(headers)) as answer:
            return answer.status, await answer.text()


def sent(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they are spelt."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def bearer(key: str) -> str:
    """The value of `Authorization`."""
    return f"Bearer {key}"


@pytest_asyncio.fixture
async def hung() -> AsyncIterator[Hung]:
    """A wall that asks for a key."""
    room = Room()
    room.hears("10:00:00 c>A #m1", until="10:00:20")
    access = room.guarded()
    async with room.opened(access) as (address, wall), aiohttp.ClientSession() as session:
        yield Hung(address, wall, session, access)


async def test_without_a_key_nothing_is_shown_and_nothing_can_be_said(hung: Hung) -> None:
    status, headers = await hung.look()
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert (await hung.see())[0] == 401
    assert hung.wall.picture.seen == {}


async def test_the_token_lets_one_look_and_act(hung: Hung) -> None:
    status, headers = await hung.look(Authorization=bearer(TOKEN))
    assert (status, headers["Csstream-May"]) == (200, "act")
    assert (await hung.see(Authorization=bearer(TOKEN)))[0] == 204
    assert list(hung.wall.picture.seen) == [ALERT]


async def test_the_link_on_the_screen_lets_one_look_and_nothing_else(hung: Hung) -> None:
    status, headers = await hung.look(Authorization=bearer(hung.access.view_key))
    assert (status, headers["Csstream-May"]) == (200, "look")
    status, said = await hung.see(Authorization=bearer(hung.access.view_key))
    assert status == 403
    assert "looking only" in said
    assert hung.wall.picture.seen == {}
    assert TOKEN not in hung.access.view_key
    assert Access(Bearer("another-token-of-a-wall")).view_key != hung.access.view_key


async def test_who_tries_keys_is_shut_out_for_a_minute(hung: Hung) -> None:
    now = [0.0]
    hung.access.clock = lambda: now[0]
    for number in range(WRONG_KEYS):
        assert (await hung.look(Authorization=bearer(f"guess{number}")))[0] == 401
    assert (await hung.look(Authorization=bearer("guess")))[0] == 429
    assert (await hung.look(Authorization=bearer(TOKEN)))[0] == 429, (
        "a right guess is not told from a wrong one"
    )
    now[0] = 61.0
    assert (await hung.look(Authorization=bearer(TOKEN)))[0] == 200


async def test_screens_with_an_old_key_shut_nobody_out(hung: Hung) -> None:
    for _ in range(5 * WRONG_KEYS):
        assert (await hung.look(Authorization=bearer("the-key-of-yesterday")))[0] == 401
    assert (await hung.look(Authorization=bearer(TOKEN)))[0] == 200, "behind one proxy they are one address"


async def test_a_name_that_was_made_to_point_here_gets_nothing(hung: Hung) -> None:
    for host in ("evil.example", "evil.example:9465", "127.0.0.1.nip.example", ""):
        status, _ = await hung.look(Authorization=bearer(TOKEN), Host=host)
        assert status in (400, 421), host
    for host in (
        "localhost:9465",
        "127.0.0.1",
        "10.1.2.3:80",
        "[::1]:9465",
        "wall.shop.example",
        "WALL.shop.example:443",
    ):
        assert (await hung.look(Authorization=bearer(TOKEN), Host=host))[0] == 200, host


async def test_a_page_of_another_origin_can_neither_look_nor_act(hung: Hung) -> None:
    right = bearer(TOKEN)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert (await hung.see(Authorization=right, Origin=origin))[0] == 403, origin
    assert (await hung.see(Authorization=right, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await hung.look(Authorization=right, Sec_Fetch_Site="cross-site"))[0] == 403
    assert hung.wall.picture.seen == {}
    assert (await hung.see(Authorization=right, Origin=hung.address.rstrip("/")))[0] == 204


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"alert": "wait|s|nobody"}, 404),
        ({"alert": 5}, 400),
        ([], 400),
        ({"alert": "x" * 9_000}, 413),
        ("x", 400),
    ],
    ids=["no such alert", "no id", "no object", "too long", "a word"],
)
async def test_what_cannot_be_acknowledged_is_answered_with_what_is_wrong(
    hung: Hung, body: object, status: int
) -> None:
    answered, said = await hung.see(body, Authorization=bearer(TOKEN))
    assert answered == status
    assert "detail" in said


async def test_every_answer_forbids_what_the_page_does_not_need(hung: Hung) -> None:
    for path in (*(path.lstrip("/") for path in PAGE), "wall/stream"):
        async with hung.session.get(hung.address + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "Set-Cookie" not in answer.headers


async def test_the_page_holds_no_data_and_asks_no_stranger(hung: Hung) -> None:
    for path in PAGE:
        async with hung.session.get(hung.address + path.lstrip("/")) as answer:
            text = await answer.text()
        assert ALERT not in text
        strangers = {found for found in re.findall(r"https?://[\w.]+", text) if "www.w3.org" not in found}
        assert strangers == set()
        assert not re.search(r"\son\w+=|<style|style=|innerHTML|javascript:", text), path


async def test_a_wall_that_others_can_reach_wants_a_token() -> None:
    with pytest.raises(WallError, match="needs a token"):
        await hang(WallOptions(connection=Connection("127.0.0.1:1"), host="0.0.0.0", port=0), print)


def test_the_link_for_the_screen_is_printed_and_the_token_is_not(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    printed = CliRunner().invoke(cli, ["wall", "--token-file", str(tmp_path / "token"), "--link"])
    assert printed.output == f"#key={Access(Bearer(TOKEN)).view_key}\n"
    without = CliRunner().invoke(cli, ["wall", "--link"])
    assert without.exit_code == 2
    assert "--token-file" in without.output
