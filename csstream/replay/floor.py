"""The rules of a state over a whole log (SPEC 8, kind s): all customers of a shop together, in order of time.

Stories are told customer by customer, so what each tells the floor is laid down on disk: a range leaves, for each
shop, its changes sorted by time, in chunks that are found again by their first instant. Then one machine a shop takes
the chunks of all ranges in order. Memory holds one chunk a range and a portion that is being sorted, whatever the size
of the log; and as an instant is judged only after all its events, the cut into ranges cannot be seen in the result.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from csstream.core.changes import Change, decode, encode, instant, sort
from csstream.replay.crew import look_up

CHUNK = 256
"""Changes read and written in one go."""

PORTION = 8_192
"""Changes sorted in one go."""


class Chunk(NamedTuple):
    """Some changes of a shop, in order of time."""

    first_ms: int
    path: Path
    at: int
    size: int


def lay_down(changes: Mapping[str, list[Change]], path: Path) -> dict[str, list[Chunk]]:
    """Write the changes of each shop to `path`, in order of time. They are sorted in place."""
    found: dict[str, list[Chunk]] = {}
    at = 0
    with path.open("wb") as file:
        for shop, own in changes.items():
            sort(own)
            chunks = found[shop] = []
            for start in range(0, len(own), CHUNK):
                data = encode(own[start : start + CHUNK])
                file.write(data)
                chunks.append(Chunk(own[start].ts, path, at, len(data)))
                at += len(data)
    return found


def in_order(chunks: Sequence[Chunk]) -> Iterator[list[Change]]:
    """All changes of the chunks in order of time, in portions; of one customer or agent they stay in their order.

    Chunks of one file are given in the order in which they were written.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk.first_ms)
    held: list[Change] = []
    added = 0
    for chunk, after in zip(ordered, [*ordered[1:], None], strict=True):
        with chunk.path.open("rb") as file:
            file.seek(chunk.at)
            some = decode(file.read(chunk.size))
        held += some
        added += len(some)
        if after is not None and added < PORTION:
            continue
        look_up()
        sort(held)
        cut = len(held) if after is None else bisect_left(held, after.first_ms, key=instant)
        yield held[:cut]
        del held[:cut]
        added = 0
