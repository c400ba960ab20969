"""One row of figures, and what is said of its samples (SPEC 5, 10). Which fact counts where is the scoreboard's."""

from collections.abc import Sequence

from csstream.core.record import names_of


class Scores:  # noqa: PLW1641 - it changes
    """One row of figures: a shop or an agent on one local day. Samples in ms, in no order."""

    def __init__(self) -> None:
        self.consulted = 0
        self.replied_any = 0
        self.replied_strict = 0
        self.receptions = 0
        self.receptions_unanswered = 0
        self.waits = 0
        self.within_30 = 0
        self.excluded_long = 0
        self.first_excluded_long = 0
        self.transferred_unanswered = 0
        self.abandoned = 0
        self.expired = 0
        self.void = 0
        self.bot = 0
        self.orders_owned = 0
        self.silent_orders = 0
        self.turnover_fen = 0
        self.turnover_served_fen = 0
        self.refunds_fen = 0
        self.unpaid_open = 0
        self.reminders_due = 0
        self.reminders_missed = 0
        self.inquirers = 0
        self.ordered_same_day = 0
        self.ordered_final = 0
        self.orderers = 0
        self.payers = 0
        self.buyers = 0
        self.buyers_served = 0
        self.buyers_silent = 0
        self.responses: list[int] = []
        self.first_responses: list[int] = []
        self._ordered: list[int] = []  # of `responses`, as many as were there when somebody asked

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scores) and _values(self) == _values(other)

    def empty(self) -> bool:
        """Whether nothing counts here (any more)."""
        return not any(_values(self))

    def ordered(self) -> list[int]:
        """The responses, ascending; not to be changed. Asked for every second, so only what is new is sorted in."""
        ordered = self._ordered
        if len(ordered) < len(self.responses):
            ordered += self.responses[len(ordered) :]
            ordered.sort()  # a long run and a short one: one pass
        return ordered

    def respond(self, ms: int, sign: int) -> None:
        """A response took so long; with `sign` -1 it was none."""
        if sign > 0:
            self.responses.append(ms)
        else:
            self.responses.remove(ms)
            self._ordered = []

    def respond_first(self, ms: int, sign: int) -> None:
        """The same of a first response."""
        if sign > 0:
            self.first_responses.append(ms)
        else:
            self.first_responses.remove(ms)


def _values(scores: Scores) -> list[object]:
    return [getattr(scores, name) for name in FIELDS]


FIELDS = tuple(name for name in names_of(Scores()) if name != "_ordered")
"""All that counts."""

COUNTS = FIELDS[:-2]
"""The plain counts among the fields of `Scores`."""

SHOP_ONLY = frozenset(
    {
        *("abandoned", "expired", "void", "bot", "silent_orders", "turnover_served_fen", "inquirers"),
        *(
            "ordered_same_day",
            "ordered_final",
            "orderers",
            "payers",
            "buyers",
            "buyers_served",
            "buyers_silent",
        ),
    }
)
"""Counts that the rows of agents do not have (SPEC 10)."""


def mean_s(total_ms: int, number: int) -> float | None:
    """Mean in seconds, correctly rounded; None without a sample."""
    return total_ms / (1000 * number) if number else None


def percentile_s(ordered_ms: Sequence[int], percent: int) -> float | None:
    """Percentile of ordered samples in seconds, by linear interpolation, exact (SPEC 10); None without one."""
    if not ordered_ms:
        return None
    place, part = divmod((len(ordered_ms) - 1) * percent, 100)
    low = ordered_ms[place]
    if not part:
        return low / 1000
    return (low * 100 + (ordered_ms[place + 1] - low) * part) / 100_000
