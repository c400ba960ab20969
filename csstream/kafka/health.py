"""What a worker says of itself: whether it is ready, what it measures, and what its watchdog looks at.

All three look at the same things, the partitions, from outside; nothing here changes anything.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

from csstream.exporter import Reading
from csstream.kafka.partition import Counts, Partition
from csstream.kafka.watchdog import Sight

SILENT_S = 10.0
"""A broker that has not answered for so long is away."""

BEHIND_S = 60.0
"""A worker whose time is so far behind is not ready: it catches up."""


def unready(partitions: Mapping[int, Partition], delay_ms: int) -> str | None:
    """Why the partitions are not ready, in words; None if they are (without any the worker stands by)."""
    now_ms = time.time() * 1000
    for number, partition in partitions.items():
        if partition.state != "ready":
            why = f": {partition.why}" if partition.why else ""
            return f"partition {number} is {partition.state}{why}"
        if _silent(partition, now_ms):
            return f"partition {number}: the broker does not answer"
        if partition.clock_ms is None:
            return f"partition {number} has no time yet"
        behind_s = (now_ms - delay_ms - partition.clock_ms) / 1000
        if behind_s > BEHIND_S:
            return (
                f"partition {number} is {behind_s:.0f} s behind, with {sum(partition.lag().values())} records"
            )
    return None


def _silent(partition: Partition, now_ms: float) -> bool:
    answered_ms = partition.answered_ms()
    silent = answered_ms is None or now_ms - answered_ms > SILENT_S * 1000
    return silent and not partition.full  # what is full is not asked for


def readings(partitions: Mapping[int, Partition], counts: Counts) -> dict[str, Sequence[Reading]]:
    """Metrics of scope P that only a worker has (SPEC 9)."""
    states = dict.fromkeys(("ready", "loading", "broken"), 0)
    lags: list[Reading] = []
    clocks: list[Reading] = []
    for number, partition in partitions.items():
        states[partition.state] += 1
        lags += [((topic, str(number)), lag) for topic, lag in partition.lag().items()]
        if partition.clock_ms is not None:
            clocks.append(((str(number),), partition.clock_ms / 1000))
    return {
        "lag_records": lags,
        "clock_timestamp_seconds": clocks,
        "merge_waived_total": [((topic,), number) for topic, number in counts.waived.items()],
        "partitions": [((state,), number) for state, number in states.items()],
        "load_seconds": [((), tuple(counts.loads))],
        "alert_delay_seconds": [((), tuple(counts.alert_delays))],
    }


def sights(partitions: Mapping[int, Partition]) -> Iterator[Sight]:
    """What must move on in every partition that is ready. Called in the watchdog's thread."""
    now_ms = time.time() * 1000
    for partition in tuple(partitions.values()):
        if partition.state != "ready":
            continue  # loading says by itself what it waits for
        place = f"partition {partition.number}"
        silent = _silent(partition, now_ms)
        unread = any(partition.lag().values())
        # While the broker is away a commit waits, however long: that is no reason to end.
        yield Sight(f"the work on {place}", partition.applied, unread and not silent)
        yield Sight(f"the fetching of {place}", partition.answered_ms(), silent, excused=True)
