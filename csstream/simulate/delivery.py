"""The way to us: disorder and duplicates.

They are what delivery does to a story, not part of it, so they have their own randomness: two plans that
differ in nothing else hold the same events.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from random import Random

from csstream.simulate.plan import Plan
from csstream.simulate.story import Wire


def delivered(stream: Iterator[Wire], plan: Plan) -> Iterator[Wire]:
    """Each event (and its copy) is held back by up to `disorder_ms`, and let go once none can come before it."""
    chance = Random(f"csstream/{plan.seed}/delivery").random
    spread, duplicates = plan.disorder_ms + 1, plan.duplicates
    held: list[tuple[int, int, Wire]] = []
    number = count()
    for event in stream:
        ts = event["ts"]
        while held and held[0][0] <= ts:
            yield heappop(held)[2]
        heappush(held, (ts + int(chance() * spread), next(number), event))
        if chance() < duplicates:
            heappush(held, (ts + int(chance() * spread), next(number), dict(event)))
    while held:
        yield heappop(held)[2]
