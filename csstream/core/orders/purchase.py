"""One order as far as it is known: what its events said, its money, its timer (SPEC 6).

A plain record that is kept for months, so it holds what a rule can still ask for and nothing else: of the chat
before the order two names and who helped, of its goods nothing. What follows from it (owner, sums, states) is
computed where it is asked for.
"""

from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct, field, msgpack

from csstream.core.orders.quiet import NEVER

EVIDENCE = 20
"""Events named in the fact of an order; the oldest ones."""

SEQUENCE = {
    status: place
    for place, status in enumerate(
        ("created", "memo", "paid", "shipped", "refund_requested", "refunded", "cancelled", "closed")
    )
}
"""In which sequence the events of one instant take effect."""


class Memo(Struct, array_like=True):
    """A memo as it was understood at `ts`: whom it names, and when he had last written to the customer (-1: never)."""

    ts: int
    agent: str | None
    spoke_ms: int


class Asking(Struct, array_like=True):
    """A reminder: asked at `due`, or done by then. `missing` are the channels not yet seen.

    `following` is the next plan or the deadline, `passed` whether the clock is past it; `ended` is when it was done
    or the timer ended, else -1.
    """

    stage: str
    due: int
    until: int
    following: int
    asked: bool
    state: str
    responsible: str | None
    missing: list[str]
    evidence: list[str]
    ended: int = -1
    passed: bool = False


class Purchase(Struct, array_like=True):
    """One order; instants in epoch ms, -1 for none, money in fen."""

    order: str
    name: str  # the order id; of a later order of that name `<id>@<first>`
    first: int
    last: int
    status: str = "memo"
    evidence: list[str] = field(default_factory=list)
    created: int = -1
    paid: int = -1
    shipped: int = -1
    cancelled: int = -1
    closed: int = -1
    refunded: int = -1
    lost: int = -1
    end: int = -1
    end_status: str = ""
    created_fen: int | None = None
    paid_own_fen: int | None = None
    refunds: list[tuple[int, int | None]] = field(default_factory=list)
    cod: bool = False
    deadline: int = NEVER

    by_sku: tuple[str, str] | None = None  # agent, and his reply
    by_chat: tuple[str, str] | None = None
    helped: list[str] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    memo: Memo | None = None
    early_memo: Memo | None = None  # of an order that nobody has created yet

    stage: int = 0  # the next one
    due: int = NEVER
    window: int = -1  # contacts up to here count for the last reminder
    seen: dict[str, str] = field(default_factory=dict)  # channel: event id
    reminders: list[Asking] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    last_script: str | None = None

    @property
    def running(self) -> bool:
        """Whether the unpaid timer runs."""
        return self.created >= 0 and self.end < 0

    @property
    def amount_fen(self) -> int | None:
        """What was ordered; None if nobody said."""
        return self.paid_own_fen if self.created_fen is None else self.created_fen

    @property
    def paid_fen(self) -> int | None:
        """What was paid, or is to be paid."""
        return self.amount_fen if self.paid_own_fen is None else self.paid_own_fen

    def refunds_fen(self) -> list[tuple[int, int | None]]:
        """Each refund with its amount; one that names none is the rest of what was paid."""
        paid = self.paid_fen
        known = 0
        found: list[tuple[int, int | None]] = []
        for ts, own in self.refunds:
            amount = own
            if amount is None and paid is not None:
                amount = max(0, paid - known)
            found.append((ts, amount))
            known += amount or 0
        return found

    def waiting(self) -> Asking | None:
        """The reminder that somebody was asked for and that is not yet done."""
        return self.reminders[-1] if self.reminders and self.reminders[-1].state == "due" else None

    def stage_passed(self) -> str | None:
        """The stage of the last reminder of an unpaid order, `new` before the first; None for `cod` and ended ones."""
        if self.cod or not self.running:
            return None
        return self.reminders[-1].stage if self.reminders else "new"

    def settlement(self, reversal_ms: int) -> int:
        """Up to when a memo or a refund moves the order."""
        return (self.created if self.created >= 0 else self.first) + reversal_ms

    def next_due(self) -> int:
        """The next instant at which time alone changes the order; `NEVER` if none."""
        if not self.running or self.lost >= 0:
            return NEVER
        due = min(self.due, self.deadline)
        if self.reminders:
            last = self.reminders[-1]
            if last.state == "due":
                due = min(due, last.until)
            elif last.state == "missed" and not last.passed:
                due = min(due, last.following)
        return due


encode_purchase = msgpack.Encoder().encode
decode_purchase = msgpack.Decoder(Purchase).decode


def fen(amount: Decimal | None) -> int | None:
    """Money in fen, half up."""
    if amount is None:
        return None
    return int(amount.quantize(Decimal("0.01"), ROUND_HALF_UP).scaleb(2))
