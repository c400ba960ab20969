"""Where a message may go: out to the world, and into the own network only if that was allowed.

An address of a sink is configuration, and a name in it belongs to whoever owns its zone: it may point to a database
beside us, or to the service that hands out this machine's own credentials. So what counts is the address that the
socket is about to connect to, looked at in that moment, whatever name, number or redirect led there.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


_LOOKUPS = ThreadPoolExecutor(16, "lookup")


async def look_up(host: str, port: int, family: int = 0, flags: int = 0) -> list[AddrInfo]:
    """Where a name leads, as `socket.getaddrinfo` has it. Raises OSError, UnicodeError.

    In threads of its own: where no name server answers, each lookup holds one for half a minute, however soon it is
    given up, and those of the event loop are wanted by what keeps events and alerts on the disk.
    """
    asked = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=flags)
    return await asyncio.get_running_loop().run_in_executor(_LOOKUPS, asked)  # type: ignore[arg-type]


class BlockedError(OSError):
    """The address is one that nothing is sent to."""


def blocked(address: str, *, allow_private: bool) -> str | None:
    """Why nothing is sent to an IP address; None if it may be.

    `allow_private` opens the own machine and network; link-local addresses (there the clouds keep credentials),
    multicast and reserved ones stay shut.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _nat64(ip)
        if inner is not None:
            return blocked(str(inner), allow_private=allow_private)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback):
        return "a link-local, multicast or reserved address"
    if ip.is_global or allow_private:
        return None
    return "a private address"


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def socket_maker(*, allow_private: bool, plain: bool) -> Callable[[AddrInfo], socket.socket]:
    """Makes sockets for addresses that may be reached, and raises `BlockedError` for all others.

    `plain`: what is sent is not encrypted, so that it must stay in the own network.
    """

    def make(info: AddrInfo) -> socket.socket:
        family, kind, protocol, _, place = info
        check(str(place[0]), allow_private=allow_private, plain=plain)
        return socket.socket(family, kind, protocol)

    return make


def check(address: str, *, allow_private: bool, plain: bool = False) -> None:
    """Raise `BlockedError` for an IP address that nothing is sent to."""
    why = blocked(address, allow_private=allow_private)
    if why is not None:
        way = "" if allow_private else "; set allow_private = true if the sink is in your own network"
        raise BlockedError(f"it leads to {why}, where nothing is sent{way}")
    if plain and ipaddress.ip_address(address.partition("%")[0]).is_global:
        raise BlockedError("it leads out of your own network, where nothing is sent unencrypted; use TLS")


def url_fault(url: str, *, allow_private: bool) -> str | None:
    """What is wrong with a sink's URL, without the URL in it; None if nothing is, as far as can be seen from here.

    Plain http is for the own network only, where `allow_private` opens it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "must be an https:// URL with a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        return "must be plain ASCII, without spaces"
    if parts.scheme == "http" and not allow_private:
        return "must be https (plain http only inside your own network, with allow_private = true)"
    try:
        check(parts.hostname, allow_private=allow_private, plain=parts.scheme == "http")
    except BlockedError as error:
        return str(error)
    except ValueError:
        pass  # a name, judged by what it leads to when it is used
    return None
