"""A body of JSON lines as events, each with its line: what fits is ready to be kept, what does not says why."""

from typing import NamedTuple

from csstream.events import TOPIC_OF, Reject, decode_many


class Entry(NamedTuple):
    """One event on its way in: the topic of its type, the shop (key of every topic), and its bytes as they came."""

    topic: str
    shop: str
    value: bytes


class Fault(NamedTuple):
    """A line that is no event (SPEC 1): its number from 1, the reason, and what to do."""

    line: int
    reason: str
    error: str


class Batch(NamedTuple):
    """What a body holds; blank lines are nothing."""

    entries: list[Entry]
    faults: list[Fault]


def parse(body: bytes) -> Batch:
    """The events of a body, in order, and its faulty lines."""
    numbered = [
        (number, line)
        for number, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if (line := raw.strip())
    ]
    entries: list[Entry] = []
    faults: list[Fault] = []
    for (number, line), event in zip(numbered, decode_many([line for _, line in numbered]), strict=True):
        if isinstance(event, Reject):
            faults.append(Fault(number, event.reason, event.error))
        else:
            entries.append(Entry(TOPIC_OF[type(event)], event.shop, line))
    return Batch(entries, faults)
