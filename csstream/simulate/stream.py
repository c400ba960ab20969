"""The plan's shops told as one stream, which ends where the plan says."""

from collections.abc import Iterator
from heapq import merge
from operator import itemgetter

import orjson

from csstream.simulate.delivery import delivered
from csstream.simulate.plan import HOUR_MS, Plan
from csstream.simulate.shop import shop
from csstream.simulate.story import Wire


def events(plan: Plan) -> Iterator[Wire]:
    """The plan's events (SPEC 1), all shops and topics in one stream; ordered by `ts` but for `disorder_ms`."""
    stories = [shop(plan, n) for n in range(1, plan.shops + 1)]
    stream = stories[0] if plan.shops == 1 else merge(*stories, key=itemgetter("ts"))
    if plan.hours is not None:
        stream = _until(stream, plan.start_ms + int(plan.hours * HOUR_MS))
    if plan.messages is not None:
        stream = _first_messages(stream, plan.messages)
    return delivered(stream, plan) if plan.disorder_ms or plan.duplicates else stream


def lines(plan: Plan) -> Iterator[bytes]:
    """`events` as JSON, one object each, without line ends. The same plan gives the same bytes."""
    return map(orjson.dumps, events(plan))


def _until(stream: Iterator[Wire], end_ms: int) -> Iterator[Wire]:
    for event in stream:
        if event["ts"] >= end_ms:
            return
        yield event


def _first_messages(stream: Iterator[Wire], messages: int) -> Iterator[Wire]:
    if messages == 0:
        return
    for event in stream:
        yield event
        if event["type"] == "message":
            messages -= 1
            if messages == 0:
                return
