"""When somebody should be there: inside a shift, or, in a shop that tells of no shifts, while an agent is online.

Shifts may overlap and touch, so what counts is the *stretch*: an unbroken time with at least one of them.
"""

from csstream.core.conversation import NEVER

KEPT_MS = 172_800_000
"""How long a shift that is over is remembered, for it may be announced anew."""


Shift = tuple[int, int, int, str]
"""A shift as last announced: start and end, half-open, then when it was announced, and by which event."""


class Roster:
    """The shifts of a shop, as last announced."""

    def __init__(self) -> None:
        self.shifts: dict[tuple[str, str], Shift] = {}
        """By agent and shift id."""
        self.told = False
        """Whether any shift was ever announced."""
        self.past: tuple[int, int] | None = None
        """The last stretch of shifts that are forgotten."""
        self.online: set[str] = set()
        self.online_ms = -1
        """Since when somebody is online without a break; -1: nobody is."""
        self.changed = False
        """Whether there is anything new in the shifts."""
        self._stretches: list[tuple[int, int]] = []

    def announce(self, agent: str, name: str, shift: Shift) -> None:
        """A shift is told; the last word on it, by its time, stands."""
        known = self.shifts.get((agent, name))
        if known is None or known[2:] < shift[2:]:
            self.told = self.changed = True
            self.shifts[agent, name] = shift
            self._merge()

    def restore(self, told: bool, past: tuple[int, int] | None, shifts: dict[tuple[str, str], Shift]) -> None:
        """Go on with what is known of the shifts."""
        self.told, self.past, self.shifts = told, past, shifts
        self._merge()

    def settle(self, t: int) -> None:
        """All signs of an instant are in: is somebody online, and since when?"""
        if not self.online:
            self.online_ms = -1
        elif self.online_ms < 0:
            self.online_ms = t

    def inside(self, t: int) -> set[str]:
        """The agents inside a shift at `t`."""
        return {agent for (agent, _), shift in self.shifts.items() if shift[0] <= t < shift[1]}

    def forget(self, t: int) -> None:
        """Let go of shifts that are long over at `t`."""
        over = sorted((shift[:2], key) for key, shift in self.shifts.items() if shift[1] < t - KEPT_MS)
        for span, key in over:
            del self.shifts[key]
            self.changed = True
            past = self.past
            joined = past is not None and span[0] <= past[1]
            self.past = (past[0], max(past[1], span[1])) if joined and past is not None else span
        if over:
            self._merge()

    def stretches(self) -> list[tuple[int, int]]:
        """All stretches, in order; the last one may be without an end."""
        if self.told:
            return self._stretches
        return [(self.online_ms, NEVER)] if self.online_ms >= 0 else []

    def _merge(self) -> None:
        merged: list[tuple[int, int]] = []
        spans = [shift[:2] for shift in self.shifts.values()]
        if self.past is not None:
            spans.append(self.past)
        for start, end in sorted(spans):
            if start == end:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(merged[-1][1], end)
            else:
                merged.append((start, end))
        self._stretches = merged
