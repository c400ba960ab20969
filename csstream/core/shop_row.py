"""What is kept of a shop itself. Its clock is read with every event, so it is a plain record (`core/record.py`)."""

from typing import Any


class ShopRow:
    """A shop: its clock, up to where its dues are worked off, and since when forgotten customers lie back.

    Of the dues at exactly `settled_ms` those of customers whose name comes before `settled_name` are worked off.
    `place` is the number of events accepted so far; those before `ended_ms` are folded away or forgotten.
    """

    def __init__(
        self,
        clock_ms: int = -1,
        settled_ms: int = -1,
        forgotten_ms: int = -1,
        day: str = "",
        place: int = 0,
        ended_ms: int = -1,
        settled_name: str = "",
    ) -> None:
        self.clock_ms = clock_ms
        self.settled_ms = settled_ms
        self.forgotten_ms = forgotten_ms
        self.day = day
        self.place = place
        self.ended_ms = ended_ms
        self.settled_name = settled_name

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return (
            self.clock_ms,
            self.settled_ms,
            self.forgotten_ms,
            self.day,
            self.place,
            self.ended_ms,
            self.settled_name,
        )
