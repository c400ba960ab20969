"""The clock that a demo runs by: event time, as many times faster than the wall as asked.

Nothing else in here reads a clock or sleeps, so a test hands in both and a day passes in no time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], float]
"""Seconds that only ever rise, from anywhere."""

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """Event time that begins at `start_ms` and passes `speed` times as fast as the wall clock."""

    def __init__(
        self, start_ms: int, speed: float, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self.speed = speed
        self.paused = False
        self.sleep = sleep
        self._clock = clock
        self._event_ms = float(start_ms)
        self._wall_s = self._began_s = clock()

    def wall_s(self) -> float:
        """Seconds of wall clock since the beginning."""
        return self._clock() - self._began_s

    def now_ms(self) -> int:
        """The event time it is."""
        wall_s = self._clock()
        if not self.paused:
            self._event_ms += (wall_s - self._wall_s) * 1000 * self.speed
        self._wall_s = wall_s
        return int(self._event_ms)

    def change(self, speed: float) -> None:
        """Go on from here at another speed."""
        self.now_ms()
        self.speed = speed

    def pause(self, paused: bool) -> None:
        """Stand still, or go on."""
        self.now_ms()
        self.paused = paused

    def move_to(self, event_ms: int) -> None:
        """It is `event_ms` now: a quiet stretch is skipped, or the work does not keep up."""
        self._event_ms = float(event_ms)
        self._wall_s = self._clock()
