"""One row of figures, and what is said of its samples (SPEC 5, 10). Which fact counts where is the scoreboard's."""

from collections.abc import Sequence

from msgspec import Struct, field


class Scores(Struct):
    """One row of figures: a shop or an agent on one local day. Samples in ms, in no order."""

    consulted: int = 0
    replied_any: int = 0
    replied_strict: int = 0
    receptions: int = 0
    receptions_unanswered: int = 0
    waits: int = 0
    within_30: int = 0
    excluded_long: int = 0
    first_excluded_long: int = 0
    transferred_unanswered: int = 0
    abandoned: int = 0
    expired: int = 0
    void: int = 0
    bot: int = 0
    orders_owned: int = 0
    silent_orders: int = 0
    turnover_fen: int = 0
    turnover_served_fen: int = 0
    refunds_fen: int = 0
    unpaid_open: int = 0
    reminders_due: int = 0
    reminders_missed: int = 0
    inquirers: int = 0
    ordered_same_day: int = 0
    ordered_final: int = 0
    orderers: int = 0
    payers: int = 0
    buyers: int = 0
    buyers_served: int = 0
    buyers_silent: int = 0
    responses: list[int] = field(default_factory=list)
    first_responses: list[int] = field(default_factory=list)

    def empty(self) -> bool:
        """Whether nothing counts here (any more)."""
        return self == _EMPTY


_EMPTY = Scores()

COUNTS = tuple(name for name in Scores.__struct_fields__ if name not in ("responses", "first_responses"))
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
