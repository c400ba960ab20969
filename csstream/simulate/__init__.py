"""A shop that never was: seeded chats and orders in the wire format (SPEC 1), for demos, benchmarks and tests.

Waits that look real come from queueing, not from drawing them: each agent has one pair of hands, so a reply
comes after those promised before it, and the evening peak makes the long waits by itself. Everything that is
going to happen lies in one agenda per shop, ordered by time; taking the next item writes events and puts new
items on it. So the stream is lazy, in order, and memory is the conversations that are open.

Nothing here knows a clock or the outside: a plan alone decides every byte. To add a kind of traffic, write a
step (`Arrivals.arrive` is one) and `Story.push` it.
"""

from csstream.simulate.agent import AFTERSALE, PRESALE
from csstream.simulate.plan import DAY_MS, HOUR_MS, HOURLY, PER_AGENT, ZONE_MS, Plan
from csstream.simulate.story import Wire
from csstream.simulate.stream import events, lines

__all__ = [
    "AFTERSALE",
    "DAY_MS",
    "HOURLY",
    "HOUR_MS",
    "PER_AGENT",
    "PRESALE",
    "ZONE_MS",
    "Plan",
    "Wire",
    "events",
    "lines",
]
