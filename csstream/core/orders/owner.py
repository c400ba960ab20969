"""Whose order it is, who helped, and when it is taken back (SPEC 6, Owner).

Pure functions of the record: the same record read at another instant may name another owner, because a memo came.
"""

from typing import NamedTuple

from csstream.core.orders.purchase import Purchase
from csstream.core.orders.terms import Terms


class Owner(NamedTuple):
    """Who owns an order and by what; `reply` is the message that decided, if one did."""

    agent: str | None
    reason: str
    reply: str | None = None


def owner_of(terms: Terms, order: Purchase) -> Owner:
    """The owner as known now: exactly one, or none."""
    for by in terms.attribution:
        if by == "memo":
            if order.memo is not None and order.memo.agent is not None:
                return Owner(order.memo.agent, "memo")
        elif order.created >= 0:
            found = order.by_sku if by == "sku" else order.by_chat
            if found is not None:
                return Owner(found[0], by, found[1])
    return Owner(None, "silent" if order.created >= 0 else "unknown")


def conflicts_of(terms: Terms, order: Purchase, owner: Owner) -> list[str]:
    """What speaks against the owner: he never wrote to the customer, or no memo confirms him."""
    found = []
    if owner.reason == "memo" and order.created >= 0:
        assert order.memo is not None
        if order.memo.spoke_ms < order.created - terms.lookback:
            found.append("memo_conflict")
    if order.paid >= 0 and owner.reason in ("sku", "chat"):
        found.append("memo_missing")
    return found


def taken_back(terms: Terms, order: Purchase) -> int | None:
    """When the order was taken back: closed, cancelled, lost without payment, refunded in full; None if it was not."""
    if order.closed < 0 and order.cancelled < 0 and order.lost < 0 and not order.refunds:
        return None  # as most
    limit = order.settlement(terms.reversal)
    instants = [ts for ts in (order.closed, order.cancelled) if ts >= 0]
    if order.lost >= 0 and order.paid < 0:
        instants.append(order.lost)
    paid = order.paid_fen
    back = 0
    for ts, amount in order.refunds_fen():
        back += amount or 0
        if paid is not None and back >= paid:
            instants.append(ts)
            break
    first = min(instants, default=limit + 1)
    return first if first <= limit else None
