"""The messages behind a fact: the events of its customer around it, and what each did (SPEC 10, `explain`).

An alert of an agent or a shop has no customer: it shows those that it names, and what agents did around it.

A number on a payslip has to be shown to the person it is about. The fact names its evidence; here the log is read
again for the customer's events from the session before it until it ends, so that one sees also what did *not* count.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from csstream.core.canon import canonical
from csstream.events import (
    Complaint,
    Dun,
    Event,
    Message,
    Order,
    Reject,
    Session,
    Spam,
    Transfer,
    decode,
)
from csstream.replay.job import MIB, ReplayError
from csstream.replay.outputs import Output, Row
from csstream.replay.read import Oversized, Source, lines_of

AROUND_MS = 600_000
"""How far before and after the fact the customer's other events are shown."""


@dataclass(frozen=True)
class Line:
    """One event behind a fact, or near it, and where it stands in the log."""

    event: Event
    file: str
    line: int
    evidence: bool


@dataclass(frozen=True)
class Explanation:
    """A fact, and its customer's events in canonical order."""

    fact: Row
    lines: tuple[Line, ...]


def explain(output: Output, name: str, logs: tuple[str, ...] = ()) -> Explanation:
    """The events behind the fact or alert `name`, read from `logs`, by default those that the replay read.

    Raises ReplayError where there is no such fact, or a log cannot be read.
    """
    fact = output.fact(name)
    named = frozenset(fact["evidence"])
    since, until = _span(fact)
    found = [
        Line(event, file, number, event.id in named)
        for event, file, number in _events(logs or _inputs(output))
        if event.shop == fact["shop"]
        and (
            (event.customer == fact["customer"] and since - AROUND_MS <= event.ts_ms <= until + AROUND_MS)
            or (event.id in named and fact["customer"] in (None, event.customer))
        )
    ]
    found.sort(key=lambda line: canonical(line.event))
    return Explanation(fact, tuple(found))


def _inputs(output: Output) -> tuple[str, ...]:
    names = tuple(source["file"] for source in output.manifest["inputs"])
    if any(name == "<stdin>" for name in names):
        raise ReplayError("the replay read its log from standard input; name the log with --log")
    return names


def _span(fact: Row) -> tuple[int, int]:
    """From when to when a fact reaches."""
    ends = (fact.get(name) for name in ("until", "end", "due"))
    return fact["ts"], max((at for at in ends if at is not None), default=fact["ts"])


def _events(logs: tuple[str, ...]) -> Iterator[tuple[Event, str, int]]:
    for log in logs:
        source = Source(0, log)
        try:
            number = 0
            for block in source.blocks(MIB, itertools.count()):
                for raw in lines_of(block, MIB):
                    number += 1
                    if isinstance(raw, Oversized) or not raw.strip():
                        continue
                    event = decode(raw)
                    if not isinstance(event, Reject):
                        yield event, source.shown, number
        finally:
            source.close()


def deed(event: Event) -> str:
    """What an event is, in a few words, without what was said."""
    agent = f" {event.agent}" if isinstance(event.agent, str) else ""
    match event:
        case Message():
            note = " (note, the customer never sees it)" if event.internal else ""
            return f"{event.sender}{agent}{note}"
        case Transfer():
            return f"transfer {event.from_agent or 'queue'} -> {event.to_agent or 'queue'}"
        case Session():
            return f"{event.action} by {event.by}{agent}"
        case Spam():
            return f"spam {'mark' if event.value else 'mark removed'}"
        case Order():
            return f"order {event.order} {event.status}"
        case Dun():
            return f"reminder by {event.channel} for order {event.order}{agent}"
        case Complaint():
            return f"complaint {event.complaint} {event.status}{agent}"
        case _:
            return f"{type(event).__name__.lower()}{agent}"


def shown(event: Event, text: bool) -> Row:
    """An event as a JSON object; what was said only where that is wanted."""
    told: Row = msgspec.to_builtins(event)
    if not text:
        told.pop("text", None)
        told.pop("memo", None)
    return told
