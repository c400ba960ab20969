"""A request to write, put together once.

The client encodes a request from its innermost field outwards, and joins at every level: the bytes of a batch, most of
a megabyte, are copied eight times on their way to the socket, each time into memory that the system has to clear first.
That was a fifth of what writing costs. Here the parts of such a request are gathered, and joined where the connection
puts the last thing in front of them.

It hangs on two habits of the client: that the versions of the request share one schema, and that a connection writes
`size + (header + request)`. `tests/kafka/test_produced.py` says when they change.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka.protocol.produce import ProduceRequest_v7  # type: ignore[import-untyped]
from aiokafka.protocol.types import Array, Bytes, Int32, Schema  # type: ignore[import-untyped]


class _Headed:
    """A header, and the parts after it; with the size in front of it it is bytes."""

    def __init__(self, header: bytes, parts: Sequence[bytes]) -> None:
        self._parts = header, *parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __radd__(self, size: bytes) -> bytes:
        return b"".join((size, *self._parts))


class _Parts(tuple[bytes, ...]):
    """The parts of a request, up to where its header comes in front of it."""

    __slots__ = ()

    def __radd__(self, header: bytes) -> _Headed:
        return _Headed(header, self)


def _parts(kind: Any, value: Any) -> Iterator[bytes]:
    """What the client would join: of a field, an array or a record of the protocol."""
    if isinstance(kind, Schema):
        for field, one in zip(kind.fields, value, strict=True):
            yield from _parts(field, one)
    elif isinstance(kind, Array):
        yield Int32.encode(len(value))
        for one in value:
            yield from _parts(kind.array_of, one)
    elif kind is Bytes:
        yield Int32.encode(len(value))
        yield value
    else:
        yield kind.encode(value)


class _Produced(Schema):  # type: ignore[misc]
    def encode(self, item: Any) -> _Parts:
        return _Parts(_parts(self, item))


def join_once() -> None:
    """Have every producer of this process put its requests together once."""
    ProduceRequest_v7.SCHEMA.__class__ = _Produced  # of the versions 3 to 7, which share it
