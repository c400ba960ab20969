"""Ends a process that no longer works and does not know it: exit status 70, so that whoever runs it starts it again.

Consumers have been seen to stop without an error, after a rebalance or a broker's trouble: records are unread, and none
is applied. A thread of its own looks at counters that must move while there is something to do. It counts its own
looks and not the clock: a process that was frozen has not been stuck. And where only the broker could be at fault,
it asks the broker first: one that is away is waited for, and not made worse by restarts.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

EXIT_STATUS = 70
"""EX_SOFTWARE: started again, it goes on where the rows are."""

LOOKS = 20
"""So many looks in a row without progress are one too many."""

log = logging.getLogger(__name__)


class Sight(NamedTuple):
    """One thing that must move on while it has something to do."""

    what: str
    progress: object
    """Whatever differs from the last look where it moved on."""
    pending: bool
    excused: bool = False
    """A broker that is away explains it."""


class Watch:
    """Counts looks without progress. Pure: `look` is told what is seen."""

    def __init__(self, looks: int = LOOKS) -> None:
        self._looks = looks
        self._last: dict[str, tuple[object, int]] = {}

    def look(self, sights: Sequence[Sight]) -> tuple[Sight, float] | None:
        """What has been stuck for longest, and for how large a part of what is allowed (1: too long)."""
        last, self._last = self._last, {}
        worst = None
        for sight in sights:
            progress, times = last.get(sight.what, (None, 0))
            times = times + 1 if sight.pending and progress == sight.progress else 0
            self._last[sight.what] = sight.progress, times
            if times and (worst is None or times > worst[1]):
                worst = sight, times
        return None if worst is None else (worst[0], worst[1] / self._looks)

    def forgive(self) -> None:
        """Begin to count again."""
        self._last.clear()


class Watchdog:
    """The thread. `see` is called in it; `answers` asks the broker; `warn` hears what is stuck, before the end."""

    def __init__(
        self,
        after_s: float,
        see: Callable[[], Sequence[Sight]],
        answers: Callable[[], bool],
        warn: Callable[[str | None], None],
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._every_s = after_s / LOOKS
        self._see = see
        self._answers = answers
        self._warn = warn
        self._end = end
        self._watch = Watch()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _run(self) -> None:
        failed = 0
        while not self._stopped.wait(self._every_s):
            try:
                stuck = self._look()
                failed = 0
            except Exception:
                log.exception("the watchdog could not look; it tries again")
                failed += 1
                stuck = "the watchdog" if failed >= LOOKS else None
            if stuck is not None:
                log.critical(
                    "%s has not moved on for too long; this process ends, to be started again", stuck
                )
                logging.shutdown()
                self._end(EXIT_STATUS)
                return

    def _look(self) -> str | None:
        """What the process has to end for."""
        found = self._watch.look(self._see())
        if found is None or found[1] < 0.5:
            self._warn(None)
            return None
        sight, part = found
        self._warn(f"{sight.what} does not move on")
        if part < 1:
            return None
        if sight.excused and not self._answers():
            self._watch.forgive()
            return None
        return sight.what
