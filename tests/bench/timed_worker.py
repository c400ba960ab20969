"""`csstream worker` under the clock that the peers carry: `RECORDS` and then the worker's own arguments.

Read from outside, a worker's end is seen when its figures are next taken, up to a second late, and its beginning not at
all. So it is timed from inside, by the same `Timer` as each peer in Python: from the first list of records that the
client hands over, so that the first steps, which are small, count as well, to the commit that holds the last record, of
wall and of the process's CPU. That is a little harder on it than on the peers: theirs is done when the last record is
folded, and what they wrote of it need not have reached the broker. Nothing else differs from the command: figures are
taken and pages printed as always. Two public methods are wrapped, at the cost of some calls a step.
"""

import sys
from typing import Any

from csstream.cli import main
from csstream.kafka.consumer import RecordList
from csstream.kafka.partition import Partition
from csstream.runner import Runner
from tests.bench.peers.work import Timer


def watch(timer: Timer) -> None:
    """Let the timer see every list that comes and every step that is committed."""
    put, step = Partition.put, Runner.step

    def begun(self: Partition, fetched: RecordList) -> None:
        if fetched.records:
            timer.begin()
        put(self, fetched)

    async def done(self: Runner, *given: Any, **named: Any) -> bool:
        kept = await step(self, *given, **named)
        if self.failed.total():
            raise SystemExit(f"steps were thrown away: {dict(self.failed)}; what was timed says nothing")
        if self.taken:
            timer.done(self.taken, 0)
        return kept

    Partition.put, Runner.step = begun, done  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(Timer(int(sys.argv[1])))
    sys.argv = ["csstream", "worker", *sys.argv[2:]]
    main()
