"""Where nothing is sent: the ways into a network that an address may hide (FIELD_NOTES F23)."""

import socket
from typing import Any

import pytest

from csstream.notify.address import blocked, url_fault
from csstream.notify.secret import Secret
from csstream.notify.sinks import KINDS, Settings
from csstream.notify.wording import Voice
from tests.notify.service import Service
from tests.notify.test_sinks import firing

OWN = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "::ffff:127.0.0.1",
       "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"]  # fmt: skip
NEVER = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "224.0.0.1", "ff02::1", "0.0.0.0",
         "::", "255.255.255.255", "240.0.0.1", "64:ff9b::a9fe:a9fe"]  # fmt: skip
PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "203.119.25.1"]


@pytest.mark.parametrize("address", OWN)
def test_the_own_network_is_shut_unless_it_was_opened(address: str) -> None:
    assert blocked(address, allow_private=False)
    assert blocked(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_shut_for_good(address: str) -> None:
    assert blocked(address, allow_private=False)
    assert blocked(address, allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_world_is_open(address: str) -> None:
    assert blocked(address, allow_private=False) is None


@pytest.mark.parametrize(
    ("url", "private", "fault"),
    [
        ("https://oapi.example.com/robot", False, None),
        ("http://oapi.example.com/robot", False, "https"),
        ("ftp://oapi.example.com/robot", True, "https://"),
        ("https:///robot", False, "host"),
        ("https://user:word@example.com/", False, "user name"),
        ("https://127.0.0.1/", False, "private"),
        ("https://[::1]/", False, "private"),
        ("https://169.254.169.254/", True, "link-local"),
        ("https://[::ffff:169.254.169.254]/", True, "link-local"),
        ("http://alertmanager:9093/api/v2/alerts", True, None),
        ("http://8.8.8.8/", True, "own network"),
        ("https://example.com/a b", False, "spaces"),
        ("https://exämple.com/", False, "ASCII"),
        ("https://example.com:99999/", False, "no URL"),
        ("https://example.com:0/", False, "host"),
    ],
)
def test_a_url_is_judged_before_it_is_used(url: str, private: bool, fault: str | None) -> None:
    found = url_fault(url, allow_private=private)
    assert (found is None) is (fault is None), found
    assert found is None or (fault or "") in found


async def send(url: str, *, private: bool = False) -> tuple[bool, str]:
    """Post one message to a URL."""
    made = KINDS["webhook"].make(
        Settings("ops", Voice(), allow_private=private, timeout_s=3, secrets={"url": Secret(url)})
    )
    try:
        answer = await made.send(firing())
    finally:
        await made.close()
    assert not answer.maybe
    return answer.ok, answer.said


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "localhost", "[::ffff:127.0.0.1]", "[::1]",
             "0.0.0.0"]
)  # fmt: skip
async def test_however_the_own_machine_is_spelt_nothing_reaches_it(host: str) -> None:
    async with Service() as service:
        ok, said = await send(f"http://{host}:{service.port}/")
        assert not ok
        assert service.requests == []
        assert "where nothing is sent" in said or "cannot be used" in said


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """From now on every name is at the first address, then at the next; returns the names asked for."""
    asked: list[str] = []
    left = list(addresses)

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        asked.append(host if isinstance(host, str) else host.decode())
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254"])
async def test_a_name_that_leads_inside_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked = answers(monkeypatch, address)
    ok, said = await send("https://robot.example.com/hook")
    assert not ok
    assert asked == ["robot.example.com"]
    assert "where nothing is sent" in said


async def test_a_name_is_judged_by_the_address_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Service() as service:
        asked = answers(monkeypatch, "10.255.255.1", "127.0.0.1")
        url = f"http://rebind.example.com:{service.port}/"
        assert "private" in (await send(url))[1]
        assert "private" in (await send(url))[1]
        assert len(asked) == 2
        assert service.requests == []
        assert (await send(url, private=True))[0]


async def test_plain_http_does_not_leave_the_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "8.8.8.8")
    assert "own network" in (await send("http://robot.example.com/", private=True))[1]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Service() as proxy, Service() as service:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await send(service.url, private=True))[0]
        assert proxy.requests == []
